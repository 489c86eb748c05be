"""What SFT and GRPO share: loading a checkpoint, the trainer's arguments, progress in the run's log, resuming, saving.

Runs inside the trainers' own processes and may import torch. Losses and rewards do not belong here.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.foundation.child_processes.memory import peak_rss_mb
from fc_assets.names import MODEL_CARD
from fc_assets.profiles import GrpoSettings, LoraSettings, SftSettings
from fc_assets.training.jobs import CheckpointSource, LogRecord, TrainingCost

_CHECKPOINTS_KEPT = 2


def load_checkpoint(folder: Path, *, bf16: bool) -> tuple[Any, Any]:
    """Model and tokenizer of a local checkpoint, weights in fp32 or bf16; no remote code, safetensors only."""
    if bf16 and not torch.cuda.is_available():
        raise FcAssetsError("bf16 is set but no CUDA device is visible; choose the demo profile or set bf16 to false")
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.bfloat16 if bf16 else torch.float32, use_safetensors=True, local_files_only=True
    )
    return model, AutoTokenizer.from_pretrained(folder, local_files_only=True)


def lora_config(settings: LoraSettings) -> LoraConfig:
    """The adapter as peft wants it described."""
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.target_modules,
    )


def shared_arguments(settings: SftSettings | GrpoSettings, checkpoints: Path) -> dict[str, Any]:
    """The arguments that `SFTConfig` and `GRPOConfig` have in common, for `SFTConfig(**shared_arguments(...), ...)`."""
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


_STEP_SECONDS = "step_time"
"""How trl calls the time of a step in its log."""
_OF_AN_ATTEMPT = {_STEP_SECONDS, "num_tokens"}
"""What trl logs of this attempt and not of the training: SFT counts the tokens anew in an attempt that resumes."""


@dataclass(frozen=True)
class TrainingRun:
    """A training loop that ran to its end: trl's log, steps over all attempts, and seconds of this attempt."""

    log: list[LogRecord]
    steps: int
    seconds: float

    def logged(self, name: str) -> list[LogRecord]:
        """The records that hold `name`, as any attempt at the same training would log them.

        Sorted by key: so are those that come from an earlier attempt's checkpoint.
        """
        return [
            {key: record[key] for key in sorted(record) if key not in _OF_AN_ATTEMPT}
            for record in self.log
            if name in record
        ]

    def cost(self) -> TrainingCost:
        """What the run has taken until now."""
        return TrainingCost(
            host=platform.node(),
            seconds=self.seconds,
            step_seconds=[float(record[_STEP_SECONDS]) for record in self.log if _STEP_SECONDS in record],
            peak_rss_mb=peak_rss_mb(),
            peak_gpu_mb=_peak_gpu_mb(),
        )


def run_trainer(trainer: Any, checkpoints: Path, log: Log) -> TrainingRun:
    """Train, from the last whole checkpoint in `checkpoints` if a killed attempt left one."""
    started = time.monotonic()
    outcome = trainer.train(resume_from_checkpoint=_last_checkpoint(checkpoints, log))
    return TrainingRun(trainer.state.log_history, outcome.global_step, time.monotonic() - started)


def _last_checkpoint(folder: Path, log: Log) -> str | None:
    checkpoint: str | None = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    if checkpoint:
        log.info(f"resuming from {Path(checkpoint).name}, left by an earlier attempt with the same inputs")
    return checkpoint


def save_adapter(model: Any, base: CheckpointSource, out: Path) -> None:
    """Save a peft model's adapter `default`, and no other, in peft's format; `base` is the checkpoint that it names.

    A name, not the path: a path of this machine means nothing elsewhere. peft would then ask the hub whether the
    vocabulary was resized, hence `save_embedding_layers`.
    """
    config = model.peft_config["default"]
    config.base_model_name_or_path, config.revision = base.name, base.revision or None
    config.target_modules = sorted(config.target_modules)  # peft keeps a set: its order differs from process to process
    model.save_pretrained(out, safe_serialization=True, selected_adapters=["default"], save_embedding_layers=False)
    (out / MODEL_CARD).unlink(missing_ok=True)  # peft's card is an empty form; the release writes a real one


class RunLogCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not read by the type checker
    """Each logged record to the run's log: step, total, and the numbers named in `names`."""

    def __init__(self, log: Log, names: tuple[str, ...]) -> None:
        self.log = log
        self.names = names
        self.started = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        parts = [f"{name.split('/')[-1]} {float(logs[name]):.4g}" for name in self.names if logs and name in logs]
        if parts:
            elapsed = time.monotonic() - self.started
            self.log.info(f"step {state.global_step}/{state.max_steps}, {', '.join(parts)}, {elapsed:.0f} s")


def count_parameters(model: Any, *, trainable: bool = False) -> int:
    """The model's parameters, or only those that training changes."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad or not trainable)


def _peak_gpu_mb() -> float | None:
    """Peak memory that this process had on the GPU in MB (1e6 bytes); None where there is no GPU."""
    return torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else None


def use_physical_cores() -> None:
    """One thread per physical core, unless OMP_NUM_THREADS says otherwise: more of them slow small models down."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(psutil.cpu_count(logical=False) or 1)
