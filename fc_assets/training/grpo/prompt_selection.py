"""Which turns of the training split GRPO is asked, and in which order. Judging the answers is `reward_functions`."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from fc_assets.calls.conversations import Turn
from fc_assets.calls.prompts import render_prompt
from fc_assets.errors import FcAssetsError
from fc_assets.profiles import GrpoSettings
from fc_assets.training.grpo.reward_functions import judge_completion
from fc_assets.training.held_out import hold_out
from fc_assets.training.sequences import allow_overlong

_ROUNDING = 1e-9


def prompt_lengths(tokenizer: Any, turns: Sequence[Turn]) -> dict[str, int]:
    """Tokens of each turn's prompt as GRPO asks it, thinking off, by the turn's id."""
    texts = [render_prompt(tokenizer, turn.messages, turn.tools, thinking_off=True) for turn in turns]
    encoded = tokenizer(texts, add_special_tokens=False).input_ids if texts else []
    return {turn.id: len(ids) for turn, ids in zip(turns, encoded, strict=True)}


@dataclass(frozen=True)
class Askable:
    """The turns that GRPO may be asked, the probe that is kept out of it, and the ids of what is left out.

    `control_text` are turns with text that looks like a mark of the chat template: trl encodes prompts by itself, and
    would make tokens of it.
    """

    turns: list[Turn]
    probe: list[Turn]
    overlong: list[str]
    capped: list[str]
    control_text: list[str]
    longest_prompt: int


def askable_turns(tokenizer: Any, turns: Sequence[Turn], settings: GrpoSettings) -> Askable:
    """Sort the turns of the training split. Raises `FcAssetsError` when none is left to ask."""
    turns, control_text = without_control_text(turns)
    lengths = prompt_lengths(tokenizer, turns)
    fitting, overlong = without_overlong_turns(turns, lengths, settings.max_prompt)
    allow_overlong(overlong, settings.overlong, "grpo", "max_prompt")
    held = {turn.id for turn in hold_out(turns, settings.probe_rows, "grpo.probe_rows")[1]}
    probe = [turn for turn in fitting if turn.id in held]
    others = [turn for turn in fitting if turn.id not in held]
    kept, capped = without_capped_turns(others, settings.rewards.model_dump())
    if not kept:
        raise FcAssetsError("No training row earns the full reward with its own expected answer; look at the split")
    return Askable(kept, probe, overlong, capped, control_text, max(lengths[turn.id] for turn in kept))


def without_control_text(turns: Sequence[Turn]) -> tuple[list[Turn], list[str]]:
    """The turns that hold no text that looks like a mark of the chat template, and the ids of the others."""
    return [turn for turn in turns if not turn.has_control_text], [turn.id for turn in turns if turn.has_control_text]


def without_overlong_turns(
    turns: Sequence[Turn], lengths: Mapping[str, int], max_prompt: int
) -> tuple[list[Turn], list[str]]:
    """The turns whose prompt has at most `max_prompt` tokens, and the ids of the others.

    A prompt is never cut: its tools stand at its beginning. Raises `FcAssetsError` when none fits.
    """
    fitting = [turn for turn in turns if lengths[turn.id] <= max_prompt]
    if not fitting:
        raise FcAssetsError(
            f"None of the {len(turns)} training turns has a prompt of at most {max_prompt} tokens (the shortest has "
            f"{min(lengths.values(), default=0)}); raise grpo.max_prompt"
        )
    return fitting, [turn.id for turn in turns if lengths[turn.id] > max_prompt]


def without_capped_turns(turns: Sequence[Turn], weights: Mapping[str, float]) -> tuple[list[Turn], list[str]]:
    """The turns whose own expected answer earns the full reward, and the ids of the others.

    The others would cap what the policy can learn: it is paid more for another answer than for the expected one.
    """
    full_reward = sum(weights.values())
    capped = [turn.id for turn in turns if judge_completion(turn, turn.answer).total(weights) < full_reward - _ROUNDING]
    left_out = set(capped)
    return [turn for turn in turns if turn.id not in left_out], capped


def draw_turns(turns: Sequence[Turn], count: int, no_call_share: float, seed: int) -> list[Turn]:
    """`count` turns in random order, of which `no_call_share` expect no call; repeated once all of a kind are drawn.

    Rewards on calls pull the whole policy towards calling: without its share of turns where no call is right, GRPO
    unlearns what SFT taught about refusing. Where one kind of turn is missing, all are of the other.
    """
    rng = random.Random(seed)
    without_call, with_call = [turn for turn in turns if not turn.calls], [turn for turn in turns if turn.calls]
    rng.shuffle(without_call)
    rng.shuffle(with_call)
    wanted = round(count * no_call_share) if with_call else count
    drawn = [*islice(cycle(without_call), wanted)]
    drawn += islice(cycle(with_call), count - len(drawn))
    rng.shuffle(drawn)
    return drawn
