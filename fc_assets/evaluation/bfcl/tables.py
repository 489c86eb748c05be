"""BFCL scores for people: the picture of one variant, and the tables that set variants and published models side by
side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fc_assets.evaluation.bfcl.model import BfclReport, CategoryScore, ModeSummary
from fc_assets.evaluation.bfcl.summaries import LEAST_ROWS, PARTS, is_measured
from fc_assets.foundation.presentation.figures import ALARM, COLOURS, INK, new_figure, to_png

TITLE = "Berkeley Function Calling Leaderboard"
SUMMARIES = {
    "non_live": "Non-Live (unweighted mean)",
    "live": "Live (mean weighted by rows)",
    "irrelevance": "Irrelevance (unweighted mean)",
    "st3": "ST3 (unweighted mean of the three)",
    "multi_turn": "Multi-Turn (unweighted mean)",
}
"""The leaderboard's summaries of what is run here, and what they are called."""

NOT_RUN = "Not run"


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

    A share of fewer rows than `LEAST_ROWS` is the text "3 of 4". A category that a variant was not asked is None,
    not 0.
    """
    records: list[dict[str, object]] = []
    for mode in dict.fromkeys(mode for report in reports.values() for mode in report.modes):
        asked = {label: report.modes[mode] for label, report in reports.items() if mode in report.modes}
        by_category = {label: {score.category: score for score in each.categories} for label, each in asked.items()}
        for category in dict.fromkeys(name for scores in by_category.values() for name in scores):
            record: dict[str, object] = {"prompt mode": mode, "category": category}
            for label, scores in by_category.items():
                record |= _columns(label, scores.get(category))
            records.append(record)
        for name, title in SUMMARIES.items():
            summary = {label: _summary(each, name, reports[label].sizes) for label, each in asked.items()}
            records.append({"prompt mode": mode, "category": title, **summary})
    return records


def text(reports: Mapping[str, BfclReport]) -> str:
    """What a reader of the table must know: how it was measured, and what was not run."""
    reasons = {name: reason for report in reports.values() for name, reason in report.not_run.items()}
    by_reason: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        by_reason.setdefault(reason, []).append(name)
    budgets = {mode: each.max_tokens for report in reports.values() for mode, each in report.modes.items()}
    sentences = [
        "The official checker's verdicts. Beside each variant's answers it judged "
        f"{min((report.self_test for report in reports.values()), default=0)} right and as many spoilt ones whose "
        "worth is known, and judged each as it should.",
        *(f"Answers in prompt mode `{mode}` may have {most} tokens." for mode, most in budgets.items()),
        "A cut answer is never silence: where no call is expected it is wrong. Shares of fewer than "
        f"{LEAST_ROWS} rows are shown as counts.",
        *(f"{NOT_RUN} ({reason}): {', '.join(names)}." for reason, names in by_reason.items()),
    ]
    return " ".join(sentences)


def _columns(label: str, score: CategoryScore | None) -> dict[str, object]:
    names = (label, f"{label} 95 %", f"{label} not parsed", f"{label} lost")
    if score is None:
        return dict.fromkeys(names)
    interval = f"[{score.low:.2f}, {score.high:.2f}], n = {score.total}"
    right = _share(score.accuracy, score.total)
    return dict(zip(names, (right, interval, _share(score.parse_fail_share, score.total), _lost(score)), strict=True))


def _share(share: float, rows: int) -> float | str:
    """A share of so many rows, as a count where these are too few for a claim."""
    return share if rows >= LEAST_ROWS else f"{round(share * rows)} of {rows}"


def _lost(score: CategoryScore) -> str:
    """What kept a row from being judged by what it says."""
    counts = {"cut": score.cut, "too long": score.too_long, "without an answer": score.failed}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _summary(mode: ModeSummary, name: str, sizes: Mapping[str, int]) -> float | str | None:
    """A summary's value, or counts where a category of it has but a few of its rows; None where one is missing."""
    parts = [score for score in mode.categories if score.category in PARTS[name]]
    value = mode.headline.get(name)
    if value is None or is_measured(mode, name, sizes):
        return value
    return f"{sum(score.correct for score in parts)} of {sum(score.total for score in parts)}"
