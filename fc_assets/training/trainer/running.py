"""The training loop: progress in the run's log, resuming, and what the run took.

Losses and rewards do not belong here.
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
from transformers import TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.foundation.child_processes.memory import peak_rss_mb
from fc_assets.training.jobs import LogRecord, TrainingCost

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


class RunLogCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not read by the type checker
    """Each logged record to the run's log: step, total, and the numbers named in `names`.

    It also has trl log the steps after which it validates or ends: a log must not lack the last steps, nor be empty
    where a training has fewer steps than lie between two records.
    """

    def __init__(self, log: Log, names: tuple[str, ...]) -> None:
        self.log = log
        self.names = names
        self.started = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        control.should_log = control.should_log or control.should_evaluate or control.should_training_stop
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        parts = [f"{name.split('/')[-1]} {float(logs[name]):.4g}" for name in self.names if logs and name in logs]
        if parts:
            elapsed = time.monotonic() - self.started
            self.log.info(f"step {state.global_step}/{state.max_steps}, {', '.join(parts)}, {elapsed:.0f} s")


def _peak_gpu_mb() -> float | None:
    """Peak memory that this process had on the GPU in MB (1e6 bytes); None where there is no GPU."""
    return torch.cuda.max_memory_allocated() / 1e6 if torch.cuda.is_available() else None


def use_physical_cores() -> None:
    """One thread per physical core, unless OMP_NUM_THREADS says otherwise: more of them slow small models down."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(psutil.cpu_count(logical=False) or 1)
