"""The leaderboard's own summaries of its categories, and the figures above them. Verdicts come from `scores`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fc_assets.evaluation.bfcl.model import (
    CONVERSATIONS,
    IRRELEVANCE,
    LIVE,
    MULTI_TURN,
    NON_LIVE,
    SIMPLE,
    CategoryScore,
    ModeScores,
    ModeSummary,
)

PARTS: Mapping[str, tuple[str, ...]] = {
    "non_live": NON_LIVE,
    "live": LIVE,
    "irrelevance": IRRELEVANCE,
    "st3": (*NON_LIVE, *LIVE, *IRRELEVANCE),
    "multi_turn": MULTI_TURN,
}
"""The categories that each summary is made of."""


LEAST_ROWS = 50
"""A share of fewer rows is shown as a count: its 95 % interval can be wider than 27 points."""


def headline(scores: Sequence[CategoryScore], sizes: Mapping[str, int]) -> dict[str, float | None]:
    """The leaderboard's summaries, each in [0, 1]; None where a category of it was not evaluated.

    As in bfcl_eval's eval_runner_helper: Non-Live is the mean of simple (itself the mean of three languages), multiple,
    parallel and parallel_multiple; Live is weighted by rows; Irrelevance and Multi-Turn are the means of their two and
    four categories. The weights are those of the whole data set, so that a stratified sample estimates the official
    number. ST3 is the mean of the first three: the leaderboard has no summary of its own for questions of one turn. Its
    overall score, of which web search and memory are 40 %, cannot be known without the network.
    """
    accuracy = {score.category: score.accuracy for score in scores}
    by_size = [(accuracy[name], sizes[name]) for name in LIVE if name in accuracy]
    live = None
    if len(by_size) == len(LIVE):
        live = sum(value * size for value, size in by_size) / sum(size for _, size in by_size)
    simple = _mean([accuracy.get(name) for name in SIMPLE])
    non_live = _mean([simple, *(accuracy.get(name) for name in NON_LIVE if name not in SIMPLE)])
    irrelevance = _mean([accuracy.get(name) for name in IRRELEVANCE])
    return {
        "non_live": non_live,
        "live": live,
        "irrelevance": irrelevance,
        "st3": _mean([non_live, live, irrelevance]),
        "multi_turn": _mean([accuracy.get(name) for name in MULTI_TURN]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean; None where one of the values is missing."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def summarise(judged: ModeScores, sizes: Mapping[str, int], max_tokens: int) -> ModeSummary:
    """The scores of one mode and the figures above them; `sizes` counts all rows of each category."""
    return ModeSummary(
        headline=headline(judged.scores, sizes),
        parse_share=parse_share(judged.records),
        failed=judged.failed,
        too_long=sum(score.too_long for score in judged.scores),
        cut=sum(score.cut for score in judged.scores),
        max_tokens=max_tokens,
        categories=tuple(judged.scores),
    )


def parse_share(records: Sequence[Mapping[str, object]]) -> float | None:
    """The share of questions of one turn expecting a call whose answer parses into at least one; None without any."""
    expecting = [record for record in records if record["category"] not in CONVERSATIONS.union(IRRELEVANCE)]
    return sum(not record["parse_failed"] for record in expecting) / len(expecting) if expecting else None


def is_measured(mode: ModeSummary, name: str, sizes: Mapping[str, int]) -> bool:
    """Whether a summary is one that can be claimed: `LEAST_ROWS` of each of its categories, or all that it has."""
    parts = [score for score in mode.categories if score.category in PARTS[name]]
    return mode.headline.get(name) is not None and all(
        score.total >= min(LEAST_ROWS, sizes[score.category]) for score in parts
    )
