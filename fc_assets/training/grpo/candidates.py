"""Which turns can teach: candidates are sampled before training, and those whose completions all earn the same go.

GRPO learns from differences within a group, and after SFT most groups have none. trl draws no further prompts in their
place, so that it is looked at beforehand, with the SFT model. A turn that becomes easy or possible during training is
not noticed. Turns that expect no call stay in any case: they are asked so that the policy is corrected as soon as it
unlearns refusing. What was found is kept beside the checkpoints: an attempt that resumes asks the same turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import Turn
from fc_assets.calls.prompts import render_prompt
from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.foundation.json_files import read_json, write_json
from fc_assets.profiles import GrpoSettings
from fc_assets.training.grpo.prompt_selection import draw_turns
from fc_assets.training.grpo.reward_functions import judge_completion

Sampler = Callable[[Sequence[str]], list[str]]
"""One sampled completion, as text, for each of these prompts."""

_FOUND = "candidates.json"
_AT_ONCE = 32
"""Turns sampled between two lines of the run's log."""
_DIGITS = 9
"""Rewards are sums of weighted floats: equal ones may differ by rounding."""


@dataclass(frozen=True)
class Found:
    """The ids of the turns that may be asked, and how many were sampled and left out."""

    ids: list[str]
    sampled: int
    left_out: int


def teaching_turns(
    turns: Sequence[Turn], sample: Sampler, tokenizer: Any, settings: GrpoSettings, folder: Path, log: Log
) -> tuple[list[Turn], Found]:
    """Of `candidates_per_prompt` times as many turns as training asks, those that can teach.

    All of the drawn ones where none can: training then says so in its own words. `folder` keeps what was found.
    """
    file = folder / _FOUND
    if file.is_file():
        found = Found(**read_json(file))
    else:
        found = _find(turns, sample, tokenizer, settings, log)
        folder.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        write_json(part, asdict(found))
        part.replace(file)
    by_id = {turn.id: turn for turn in turns}
    return [by_id[turn_id] for turn_id in found.ids], found


def _find(turns: Sequence[Turn], sample: Sampler, tokenizer: Any, settings: GrpoSettings, log: Log) -> Found:
    wanted = settings.steps * settings.prompts_per_step * settings.candidates_per_prompt
    drawn = {turn.id: turn for turn in draw_turns(turns, wanted, settings.no_call_share, settings.seed)}
    calling = [turn for turn in drawn.values() if turn.calls]
    weights: dict[str, float] = settings.rewards.model_dump()
    teaching: set[str] = set()
    for begin in range(0, len(calling), _AT_ONCE):
        batch = calling[begin : begin + _AT_ONCE]
        prompts = [render_prompt(tokenizer, turn.messages, turn.tools, thinking_off=True) for turn in batch]
        texts = sample([prompt for prompt in prompts for _ in range(settings.generations)])
        groups = [texts[start : start + settings.generations] for start in range(0, len(texts), settings.generations)]
        teaching |= {turn.id for turn, group in zip(batch, groups, strict=True) if differ(turn, group, weights)}
        log.info(f"{len(teaching)} of {begin + len(batch)} candidates teach something, {len(calling)} are sampled")
    if calling and not teaching:
        log.warning("no candidate teaches anything: all are asked")
        return Found(list(drawn), sampled=len(calling), left_out=0)
    ids = [turn.id for turn in drawn.values() if not turn.calls or turn.id in teaching]
    return Found(ids, sampled=len(calling), left_out=len(calling) - len(teaching))


def differ(turn: Turn, completions: Sequence[str], weights: Mapping[str, float]) -> bool:
    """Whether these completions of a turn earn different rewards."""
    return len({round(judge_completion(turn, text).total(weights), _DIGITS) for text in completions}) > 1
