"""The rewards of GRPO, each in [0, 1] (docs/metrics.md). Evaluation reports the same numbers from the same code.

How much each weighs is a setting: `grpo.rewards` of the profile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from fc_assets.calls.call import Call, Tool
from fc_assets.calls.judge import Judgement, judge
from fc_assets.calls.prompts import answer_text

_SHORT_REPLY_CHARS = 600  # a reply in words up to this length is short enough for full hygiene


@dataclass(frozen=True, slots=True)
class Rewards:
    """The four signals, and two that weigh nothing by default: `hygiene`, and `gated`, the four in one."""

    json_parse: float
    schema_hit: float
    simulated_exec: float
    semantic_match: float
    hygiene: float
    gated: float

    def total(self, weights: Mapping[str, float]) -> float:
        """The weighted sum. A name in `weights` that is no signal raises AttributeError."""
        return sum(weight * float(getattr(self, name)) for name, weight in weights.items())


SIGNALS: tuple[str, ...] = tuple(field.name for field in fields(Rewards))


def rewards(text: str, tools: Sequence[Tool] | str, expected: Sequence[Call]) -> Rewards:
    """Judge one completion against the tools offered (a list or its JSON text) and the expected calls ([] = no call).

    Never raises for any `text`; raises FcAssetsError if a tool is malformed.
    """
    return rewards_of(judge(text, tools, expected))


def rewards_of(judgement: Judgement) -> Rewards:
    """The rewards of an answer that is already judged."""
    hygiene = _hygiene(judgement)
    if not judgement.expected:
        silent = float(judgement.parsed.silent)
        return Rewards(silent, silent, silent, silent, hygiene, silent)
    if not judgement.parse_ok:
        return Rewards(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    emitted = len(judgement.parsed.calls)
    names = 2 * judgement.match.names_hit / (emitted + len(judgement.expected))
    executed, values = _executed(judgement) / emitted, judgement.match.pair_f1
    return Rewards(
        json_parse=1.0,
        schema_hit=names,
        simulated_exec=executed,
        semantic_match=values,
        hygiene=hygiene,
        gated=_gated(values, names, executed),
    )


def _gated(values: float, names: float, executed: float) -> float:
    """The mean of the four signals of an answer that parses, each counted only as far as those before it hold.

    Values come first: under names that nobody asked for there are none that agree, and junk under the right name is
    paid for nothing but being read.
    """
    return (1.0 + values * (1.0 + names * (1.0 + executed))) / 4


def _executed(judgement: Judgement) -> int:
    """How many emitted calls executed, where calls beyond the expected number count as failed.

    Which calls are the surplus ones: those of names nobody asked for, then, among equals, those that executed. So a
    surplus call never raises the share.
    """
    emitted = list(zip(judgement.parsed.calls, judgement.executed, strict=True))
    if len(emitted) <= len(judgement.expected):
        return sum(judgement.executed)
    owed = Counter(call.name for call in judgement.expected)
    wanted: list[bool] = []
    unwanted: list[bool] = []
    for call, executed in sorted(emitted, key=lambda pair: pair[1]):
        (wanted if owed[call.name] > 0 else unwanted).append(executed)
        owed[call.name] -= 1
    return sum((wanted + unwanted)[: len(judgement.expected)])


def _hygiene(judgement: Judgement) -> float:
    """How much of the text is the answer: the calls' canonical length by the length written; words are to be few."""
    written = len(judgement.parsed.answer)
    if judgement.parsed.malformed:
        return 0.0
    if not judgement.parsed.calls:
        return min(1.0, _SHORT_REPLY_CHARS / max(1, written))
    return min(1.0, len(answer_text(judgement.parsed.calls)) / written)
