"""GRPO's settings in trl's words, as each profile would start it."""

from pathlib import Path

import pytest

from fc_assets.profiles import load_profile, profile_names
from fc_assets.training.grpo.trainer_arguments import grpo_arguments

KV_GIB_A_TOKEN = 28 * 2 * 8 * 128 * 2 / 2**30
"""Layers x (key, value) x heads x width x bytes, of Qwen3-0.6B in bf16."""
WEIGHTS_GIB = 1.11
OVERHEAD_GIB = 0.6
"""vLLM's own buffers: activations of 4,096 tokens, CUDA graphs."""
LONGEST = 1671


@pytest.mark.parametrize(("name", "card_gib"), [("gpu-12gb", 12), ("gpu-80gb", 80)])
def test_a_prompt_and_its_completion_fit_the_kv_cache(tmp_path: Path, name: str, card_gib: float) -> None:
    """Without a length vLLM asks for one of 40,960 tokens, 4.4 GiB, and does not start."""
    settings = load_profile(name).grpo
    length = grpo_arguments(settings, tmp_path, LONGEST).vllm_max_model_length
    assert length is not None and length >= LONGEST + settings.max_completion
    assert length * KV_GIB_A_TOKEN < settings.vllm_memory_share * card_gib - WEIGHTS_GIB - OVERHEAD_GIB


@pytest.mark.parametrize("name", profile_names())
def test_each_profile_starts(tmp_path: Path, name: str) -> None:
    settings = load_profile(name).grpo
    found = grpo_arguments(settings, tmp_path, 300)
    assert found.generation_batch_size == settings.prompts_per_step * settings.generations
    assert found.steps_per_generation == found.gradient_accumulation_steps, "one step learns from what it sampled"
    assert settings.lora.dropout == 0
    assert found.vllm_enable_sleep_mode == (name == "gpu-12gb")
