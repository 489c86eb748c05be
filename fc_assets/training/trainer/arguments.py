"""Settings of a profile in the words of peft and trl. What a setting means is said in `profiles.training`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig

from fc_assets.profiles import GrpoSettings, LoraSettings, SftSettings

_CHECKPOINTS_KEPT = 2


def lora_config(settings: LoraSettings) -> LoraConfig:
    """The adapter as peft wants it described."""
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.target_modules,
        use_rslora=settings.rslora,
    )


def shared_arguments(settings: SftSettings | GrpoSettings, checkpoints: Path) -> dict[str, Any]:
    """The arguments that `SFTConfig` and `GRPOConfig` have in common, for `SFTConfig(**shared_arguments(...), ...)`."""
    return {
        "output_dir": str(checkpoints),
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.scheduler,
        "warmup_steps": settings.warmup_share,
        "bf16": settings.bf16,
        "use_cpu": not torch.cuda.is_available(),  # transformers takes bf16 on a processor only when it is told so
        "gradient_checkpointing": settings.gradient_checkpointing,
        "logging_steps": settings.log_every,
        "save_steps": settings.save_every,
        "save_total_limit": _CHECKPOINTS_KEPT,
        "seed": settings.seed,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }
