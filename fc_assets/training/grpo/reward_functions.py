"""The rewards of `calls.rewards` as trl wants them: one function for each signal, over a batch of completions.

What each signal measures is `calls.rewards`; which turns GRPO is asked is `prompt_selection`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fc_assets.calls.conversations import Turn
from fc_assets.calls.rewards import Rewards, rewards
from fc_assets.training.jobs import SampledCompletion

RewardFunction = Callable[..., list[float]]
"""trl calls it with `completions`, the columns of the data set, and more; it returns a number for each completion."""

SAMPLES_KEPT = 6
"""Completions shown from the first step and from the last."""


class RewardFunctions:
    """The reward functions of one training run: `functions` is what trl takes.

    Every signal is a function of its own, so that trl logs each of them; the first one that is asked about a batch
    judges it for all. `weights` has an entry for each signal that is wanted. The first completions of the first and of
    the latest batch are kept in `first_samples` and `last_samples`.
    """

    def __init__(self, turns: Sequence[Turn], weights: Mapping[str, float]) -> None:
        self.weights = weights
        self.functions = [self._function(signal) for signal in weights]
        self.first_samples: list[SampledCompletion] = []
        self.last_samples: list[SampledCompletion] = []
        self._turns = {turn.id: turn for turn in turns}
        self._batch: tuple[tuple[str, str], ...] = ()
        self._judged: list[Rewards] = []

    def samples(self) -> dict[str, list[dict[str, Any]]]:
        """The kept completions as JSON, for a checkpoint: an attempt that resumes does not see the first batch."""
        return {
            "first": [asdict(sample) for sample in self.first_samples],
            "last": [asdict(sample) for sample in self.last_samples],
        }

    def restore_samples(self, kept: Mapping[str, Any]) -> None:
        """Take what `samples` gave at a checkpoint."""
        self.first_samples = [SampledCompletion(**sample) for sample in kept["first"]]
        self.last_samples = [SampledCompletion(**sample) for sample in kept["last"]]

    def _function(self, signal: str) -> RewardFunction:
        def reward(completions: Sequence[str], turn_id: Sequence[str], **_: Any) -> list[float]:
            return [float(getattr(judged, signal)) for judged in self._judge(turn_id, completions)]

        reward.__name__ = signal  # the name in trl's log
        return reward

    def _judge(self, turn_ids: Sequence[str], completions: Sequence[str]) -> list[Rewards]:
        batch = tuple(zip(turn_ids, completions, strict=True))
        if batch != self._batch:
            self._batch = batch
            self._judged = [judge_completion(self._turns[turn_id], text) for turn_id, text in batch]
            self.last_samples = [
                SampledCompletion(turn_id, text, judged.total(self.weights))
                for (turn_id, text), judged in zip(batch[:SAMPLES_KEPT], self._judged, strict=False)
            ]
            self.first_samples = self.first_samples or self.last_samples
        return self._judged


def judge_completion(turn: Turn, text: str) -> Rewards:
    """Every signal for one completion of a turn."""
    return rewards(text, turn.tools, turn.calls)
