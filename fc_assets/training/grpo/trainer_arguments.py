"""The `grpo` settings of a profile in trl's words. What a setting means is said in `profiles.training`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fc_assets.profiles import GrpoSettings
from fc_assets.training.grpo.micro_batches import completions_per_pass, completions_per_step

if TYPE_CHECKING:
    from trl import GRPOConfig


def grpo_arguments(settings: GrpoSettings, checkpoints: Path, longest_prompt: int) -> GRPOConfig:
    """The arguments of a training whose longest prompt has `longest_prompt` tokens.

    Log-probabilities need no setting: trl 1.16 always computes them in slices, never with the logits of a whole pass.
    """
    from trl import GRPOConfig

    from fc_assets.training.trainer.arguments import shared_arguments

    per_pass = completions_per_pass(settings, longest_prompt)
    return GRPOConfig(
        **shared_arguments(settings, checkpoints),
        per_device_train_batch_size=per_pass,
        gradient_accumulation_steps=completions_per_step(settings) // per_pass,
        num_generations=settings.generations,
        max_steps=settings.steps,
        beta=settings.beta,
        temperature=settings.temperature,
        max_completion_length=settings.max_completion,
        mask_truncated_completions=True,
        loss_type="dapo",
        reward_weights=list(settings.rewards.model_dump().values()),
        use_vllm=settings.vllm_colocate,
        vllm_mode="colocate",
        vllm_gpu_memory_utilization=settings.vllm_memory_share,
        # Not from the model's config: Qwen3-0.6B's 40,960 tokens need 4.4 GiB of KV cache before vLLM starts.
        vllm_max_model_length=settings.max_prompt + settings.max_completion,
        vllm_enable_sleep_mode=settings.vllm_sleep,
        vllm_importance_sampling_correction=True,
    )
