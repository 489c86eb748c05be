"""Settings of a profile in the words of peft and trl. What a setting means is said in `profiles.training`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peft import LoraConfig

from fc_assets.profiles import DpoSettings, GrpoSettings, LoraSettings, SftSettings

_CHECKPOINTS_KEPT = 2


def lora_config(settings: LoraSettings) -> LoraConfig:
    """The adapter as peft wants it described."""
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.target_modules,
    )


def shared_arguments(settings: SftSettings | GrpoSettings | DpoSettings, checkpoints: Path) -> dict[str, Any]:
    """The arguments that trl's configs have in common, for `SFTConfig(**shared_arguments(...), ...)`."""
    return {
        "output_dir": str(checkpoints),
        "gradient_accumulation_steps": settings.gradient_accumulation,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.scheduler,
        "warmup_steps": settings.warmup_share,
        "bf16": settings.bf16,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "logging_steps": settings.log_every,
        "save_steps": settings.save_every,
        "save_total_limit": _CHECKPOINTS_KEPT,
        "seed": settings.seed,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": settings.bf16,  # memory is pinned for a GPU, and bf16 is set only where there is one
    }
