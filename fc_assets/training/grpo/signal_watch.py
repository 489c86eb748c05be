"""Watches whether GRPO has anything to learn from, and stops a run that has nothing, while it runs.

A step teaches nothing where every completion was cut at the limit (cut ones are masked), or where in every group all
completions earn the same. What the rewards are does not belong here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from transformers import TrainerCallback

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.training.jobs import LogRecord
from fc_assets.training.training_log import CLIPPED, NO_SIGNAL, mean_of, series

WARN_AFTER = 10
STOP_AFTER = 25
"""Records in a row. A healthy policy leaves many groups without signal: where 90 % are, all eight of a step are so in
43 % of the steps, ten times in a row by a chance of 2 in 10,000, and 25 times by one of 7 in 10,000,000,000. On a card
25 steps take some minutes."""


class NoSignalError(FcAssetsError):
    """GRPO cannot learn with these settings; says why, and what to change."""


class SignalWatch(TrainerCallback):  # type: ignore[misc]  # transformers is not read by the type checker
    """Warns after `WARN_AFTER` records in a row that taught nothing; raises `NoSignalError` when none of the first
    `STOP_AFTER` did, or none of a training that was shorter.

    It reads trl's log from the trainer's state, so that a resumed training counts on.
    """

    def __init__(self, log: Log, max_completion: int) -> None:
        self.log = log
        self.max_completion = max_completion

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float] | None = None, **_: Any) -> None:
        records = _sampled(state.log_history)
        if not logs or NO_SIGNAL not in logs:
            return
        empty = list(takewhile(taught_nothing, reversed(records)))
        if len(empty) == len(records) >= STOP_AFTER:
            raise NoSignalError(self._sentence(empty))
        if len(empty) and len(empty) % WARN_AFTER == 0:
            self.log.warning(self._sentence(empty))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        records = _sampled(state.log_history)
        if all(map(taught_nothing, records)):
            raise NoSignalError(self._sentence(records))

    def _sentence(self, empty: Sequence[LogRecord]) -> str:
        clipped, no_signal = (mean_of(empty, name) for name in (CLIPPED, NO_SIGNAL))
        last = max(series(empty, "step"))
        return (
            f"GRPO learns nothing: in the {len(empty)} records up to step {last:.0f}, {clipped:.0%} of the completions "
            f"were cut at grpo.max_completion = {self.max_completion} tokens and {no_signal:.0%} of the groups earned "
            f"one and the same reward; {_advice(clipped, no_signal)}"
        )


def taught_nothing(record: LogRecord) -> bool:
    """Whether the steps of one record of trl's log gave no gradient: by its norm, or by either share alone."""
    return record[CLIPPED] >= 1 or record[NO_SIGNAL] >= 1 or record.get("grad_norm") == 0


def _sampled(history: Sequence[LogRecord]) -> list[LogRecord]:
    """The records of steps; the last one of a training has only totals."""
    return [record for record in history if NO_SIGNAL in record]


def _advice(clipped: float, no_signal: float) -> str:
    if clipped >= no_signal:
        return "raise grpo.max_completion, or look whether the SFT model ends its answers"
    return "raise grpo.temperature or grpo.generations, or grpo.candidates_per_prompt"
