"""What SFT and GRPO share: loading a checkpoint, the adapter's shape, progress in the run's log, resuming.

Runs inside the trainers' own processes and may import torch. Losses and rewards do not belong here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import torch
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.jobs import Log


def load_checkpoint(folder: str, *, bf16: bool) -> tuple[Any, Any]:
    """Model and tokenizer of a local checkpoint, weights in fp32 or bf16; no remote code, safetensors only."""
    if bf16 and not torch.cuda.is_available():
        raise FcAssetsError("bf16 is set but no CUDA device is visible; choose the demo profile or set bf16 to false")
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.bfloat16 if bf16 else torch.float32, use_safetensors=True, local_files_only=True
    )
    return model, AutoTokenizer.from_pretrained(folder, local_files_only=True)


def lora_config(settings: Mapping[str, Any]) -> LoraConfig:
    """The adapter described by a `LoraSettings` section."""
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings["rank"],
        lora_alpha=settings["alpha"],
        lora_dropout=settings["dropout"],
        target_modules=settings["target_modules"],
    )


def resume_from(folder: Path, log: Log) -> str | None:
    """The last whole checkpoint that a killed run left in `folder`, if any."""
    checkpoint = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    if checkpoint:
        log.info(f"resuming from {Path(checkpoint).name}, left by an earlier attempt with the same inputs")
    return checkpoint


class Progress(TrainerCallback):
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


def trainable_parameters(model: Any) -> tuple[int, int]:
    """Trainable and total parameter counts."""
    total = sum(parameter.numel() for parameter in model.parameters())
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad), total


def peak_memory_mb() -> dict[str, float]:
    """Peak memory of this process: resident, and on the GPU where there is one. MB = 1e6 bytes."""
    # Not getrusage: its peak survives exec, so a child would report its parent's.
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = {"peak_rss_mb": int(fields["VmHWM"].split()[0]) * 1024 / 1e6}
    if torch.cuda.is_available():
        peak["peak_gpu_mb"] = torch.cuda.max_memory_allocated() / 1e6
    return peak


def use_physical_cores() -> None:
    """One thread per physical core, unless OMP_NUM_THREADS says otherwise: more of them slow small models down."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(psutil.cpu_count(logical=False) or 1)
