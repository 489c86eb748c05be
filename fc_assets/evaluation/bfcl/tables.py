"""BFCL scores for people: the picture of one variant, and the table that sets the variants side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fc_assets.evaluation.bfcl.model import BfclReport, CategoryScore
from fc_assets.foundation.presentation.figures import ALARM, COLOURS, INK, new_figure, to_png

TITLE = "Berkeley Function Calling Leaderboard"
SUMMARIES = {"non_live": "Non-Live", "live": "Live", "irrelevance": "Irrelevance", "st3": "ST3 (mean of the three)"}
"""The leaderboard's single-turn summaries and what they are called."""


def categories_plot(scores: Sequence[CategoryScore], title: str) -> bytes:
    """Accuracy by category with Wilson 95 % intervals, and the share of answers that do not parse, as a PNG."""
    figure, (axes,) = new_figure(9, 1.2 + 0.36 * len(scores))
    places = range(len(scores))
    below = [max(0.0, score.accuracy - score.low) for score in scores]
    above = [max(0.0, score.high - score.accuracy) for score in scores]
    values = [score.accuracy for score in scores]
    style = {"ecolor": INK, "capsize": 3}
    axes.barh(places, values, xerr=(below, above), color=COLOURS[0], label="accuracy", error_kw=style)
    shares = [score.parse_fail_share for score in scores]
    axes.plot(shares, places, "D", color=ALARM, markersize=5, label="answers that do not parse")
    axes.set_yticks(places, [f"{score.category} (n = {score.total})" for score in scores])
    axes.invert_yaxis()
    axes.set_xlim(-0.02, 1.02)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False)
    return to_png(figure)


def side_by_side(reports: Mapping[str, BfclReport]) -> list[dict[str, object]]:
    """One record for each prompt mode and category or summary, with every variant's accuracy; `reports` by label.

    A category that a variant was not asked is None, not 0.
    """
    records: list[dict[str, object]] = []
    for mode in dict.fromkeys(mode for report in reports.values() for mode in report.modes):
        asked = {label: report.modes[mode] for label, report in reports.items() if mode in report.modes}
        by_category = {label: {score.category: score for score in each.categories} for label, each in asked.items()}
        for category in dict.fromkeys(name for scores in by_category.values() for name in scores):
            record: dict[str, object] = {"prompt mode": mode, "category": category}
            for label, scores in by_category.items():
                score = scores.get(category)
                record[label] = score and score.accuracy
                record[f"{label} 95 %"] = score and f"[{score.low:.2f}, {score.high:.2f}], n = {score.total}"
                record[f"{label} not parsed"] = score and score.parse_fail_share
            records.append(record)
        for name, title in SUMMARIES.items():
            summary = {label: each.headline[name] for label, each in asked.items()}
            records.append({"prompt mode": mode, "category": title, **summary})
    return records
