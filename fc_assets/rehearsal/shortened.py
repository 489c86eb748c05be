"""The profile with fewer steps: on a card everything else is as in the real run, without one lengths are small too."""

from __future__ import annotations

from fc_assets.profiles import GrpoSettings, Profile, ServerSettings, SftSettings
from fc_assets.training.jobs import ComparedTurns

SFT_STEPS = 3
GRPO_STEPS = 2
_SMALL_LENGTH = 256
"""Tokens of a row where there is no card: a layer of the true shape, and an output layer of 151,936 words, take a CPU
minutes for thousands of tokens. The generated rows, with their tools, have up to 240."""
_SMALL_COMPLETION = 16
COMPARED = ComparedTurns(turns=2, tokens=32)
"""On what merges are compared where there is no card; the real run compares 16 turns of up to 2,048 tokens. Of the
64 tokens every logit still counts, ten million in all."""


def few_steps(profile: Profile) -> Profile:
    """The profile's own settings, longest rows and all, for a few steps; nothing is sampled beforehand."""
    sft = profile.sft.model_copy(
        update={"max_steps": SFT_STEPS, "save_every": SFT_STEPS, "log_every": 1, "validation_rows": 0}
    )
    grpo = profile.grpo.model_copy(
        update={
            "steps": GRPO_STEPS,
            "save_every": GRPO_STEPS,
            "log_every": 1,
            "candidates_per_prompt": 1,
            "probe_rows": 0,
        }
    )
    return profile.model_copy(update={"sft": sft, "grpo": grpo})


def small_enough_for_a_cpu(profile: Profile) -> Profile:
    """Short rows, small batches, fp32, no vLLM in the trainer, vLLM on the CPU to serve; shapes are the same.

    In fp32, because a CPU without instructions for bf16 computes it a hundred times slower: 0.1 GFLOP/s were measured
    for the gradient of a linear layer with AVX2.
    """
    sft: SftSettings = profile.sft.model_copy(
        update={"rows_per_step": 2, "max_length": _SMALL_LENGTH, "micro_batch_tokens": _SMALL_LENGTH, "bf16": False}
    )
    grpo: GrpoSettings = profile.grpo.model_copy(
        update={
            "prompts_per_step": 2,
            "generations": 2,
            "max_prompt": _SMALL_LENGTH,
            "max_completion": _SMALL_COMPLETION,
            "micro_batch_tokens": 2 * (_SMALL_LENGTH + _SMALL_COMPLETION),
            "vllm_colocate": False,
            "vllm_sleep": False,
            "bf16": False,
        }
    )
    server: ServerSettings = profile.server.model_copy(
        update={
            "device": "cpu",
            "dtype": "float32",
            "max_model_len": 1024,
            "max_num_seqs": 4,
            "max_num_batched_tokens": 1024,
            "enforce_eager": True,
            "kv_cache_gib": 1,
        }
    )
    return profile.model_copy(update={"sft": sft, "grpo": grpo, "server": server})
