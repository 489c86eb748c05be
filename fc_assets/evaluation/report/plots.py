"""The report's two pictures, as PNG bytes: the metrics as bars with error bars, and where the errors went."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal

from fc_assets.calls.metrics import METRICS, Metric
from fc_assets.evaluation.report.model import HEADLINE, Report, label
from fc_assets.evaluation.taxonomy import CATEGORIES
from fc_assets.foundation.presentation.figures import COLOURS, INK, WIDEST, new_figure, to_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ABOVE = (*HEADLINE, "semantic_consistency")
_FAILURE_COLOURS = (
    *("#3a3a3a", "#6b2d3c", "#b04a5a", "#d9788a", "#8a5a2b", "#c98a45", "#e8bd7d"),
    *("#2f5d7c", "#5b93b8", "#9cc3da", "#4b4b6b", "#9191b3"),
)
_LIGHT = ("#e8bd7d", "#9cc3da")  # too light for white figures on them
_GOLD = "#b8860b"


def metrics_plot(report: Report) -> bytes:
    """Every metric of every variant as a bar with its 95 % interval; a golden mark shows the gold ceiling."""
    figure, (above, below) = new_figure(WIDEST, 8.2, rows=2)
    others = [metric for metric in METRICS if metric.name not in _ABOVE and not metric.name.startswith("reward_")]
    _bars(above, report, [metric for metric in METRICS if metric.name in _ABOVE])
    _bars(below, report, others)
    above.set_title("Headline metrics, 95 % intervals", loc="left", fontsize=13, fontweight="bold", color=INK)
    below.set_title("Further metrics", loc="left", fontsize=13, fontweight="bold", color=INK)
    handles, names = above.get_legend_handles_labels()
    figure.legend(handles, names, loc="upper right", ncols=len(names), frameon=False, fontsize=11)
    return to_png(figure)


def failures_plot(report: Report) -> bytes:
    """The share of rows that failed, by variant, stacked by each row's first failure."""
    figure, (axes,) = new_figure(WIDEST, 1.6 + 0.75 * len(report.variants))
    present = [name for name in CATEGORIES if any(report.failures[variant][name] for variant in report.variants)]
    positions = range(len(report.variants))
    starts = [0.0] * len(report.variants)
    for category in present:
        shares = [_share(report, variant, category) for variant in report.variants]
        colour = _FAILURE_COLOURS[CATEGORIES.index(category)]
        axes.barh(positions, shares, left=starts, height=0.62, color=colour, edgecolor="white", label=category)
        for position, start, share in zip(positions, starts, shares, strict=True):
            if share >= 0.04:
                ink = INK if colour in _LIGHT else "white"
                axes.text(start + share / 2, position, f"{share:.0%}", ha="center", va="center", color=ink, fontsize=10)
        starts = [start + share for start, share in zip(starts, shares, strict=True)]
    for position, total in zip(positions, starts, strict=True):
        axes.text(total + 0.008, position, f"{total:.1%} of rows", va="center", color=INK, fontsize=10.5)
    axes.set_yticks(positions, [label(variant) for variant in report.variants], fontsize=12)
    axes.invert_yaxis()
    axes.set_xlim(0, min(1.12, max([*starts, 0.05]) * 1.14))
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_title("Rows that failed, by first failure", loc="left", fontsize=13, fontweight="bold", color=INK)
    _clean(axes, "x")
    if present:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4, frameon=False, fontsize=10)
    return to_png(figure)


def _bars(axes: Axes, report: Report, metrics: list[Metric]) -> None:
    width = 0.8 / len(report.variants)
    for number, variant in enumerate(report.variants):
        places: list[float] = []
        values: list[float] = []
        below: list[float] = []
        above: list[float] = []
        for place, metric in enumerate(metrics):
            found = report.metrics[variant][metric.name]
            if found.value is None:
                continue
            places.append(place + (number - (len(report.variants) - 1) / 2) * width)
            values.append(found.value)
            below.append(max(0.0, found.value - (found.value if found.low is None else found.low)))
            above.append(max(0.0, (found.value if found.high is None else found.high) - found.value))
        colour = COLOURS[number % len(COLOURS)]
        style = {"ecolor": INK, "elinewidth": 1.1, "capsize": 3}
        axes.bar(places, values, width * 0.92, yerr=(below, above), color=colour, label=label(variant), error_kw=style)
    ceilings = [(place, report.gold[metric.name]) for place, metric in enumerate(metrics)]
    gold = [(place, value) for place, value in ceilings if value is not None]
    axes.hlines(
        [value for _, value in gold],
        [place - 0.43 for place, _ in gold],
        [place + 0.43 for place, _ in gold],
        color=_GOLD,
        linewidth=1.6,
        linestyle=(0, (4, 2)),
        label="Gold ceiling",
    )
    axes.set_xticks(
        range(len(metrics)),
        [_axis_label(metric) for metric in metrics],
        fontsize=9 if len(metrics) <= len(_ABOVE) else 7.5,
    )
    axes.set_ylim(0, 1.06)
    axes.set_xlim(-0.55, len(metrics) - 0.45)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.1f}")
    _clean(axes, "y")


def _axis_label(metric: Metric) -> str:
    """The label in lines of some 14 characters, so that neighbours do not touch."""
    lines = textwrap.wrap(metric.label, 14, break_on_hyphens=False)
    return "\n".join(lines if metric.higher_is_better else [*lines, "(lower is better)"])


def _share(report: Report, variant: str, category: str) -> float:
    judged = report.counts[variant].judged_rows
    return report.failures[variant][category] / judged if judged else 0.0


def _clean(axes: Axes, grid: Literal["x", "y"]) -> None:
    """The grid along one axis only, behind the bars."""
    axes.grid(visible=False, axis="y" if grid == "x" else "x")
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, length=0)
    axes.spines["left"].set_visible(False)
