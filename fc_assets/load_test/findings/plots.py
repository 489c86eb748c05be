"""The matrix as pictures: curves over concurrency, latency against throughput, and the whole matrix as a heat map.

Each function takes a matrix's rows and writes one PNG. No figure is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from scipy.stats import binomtest

from fc_assets.foundation.presentation.figures import ALARM, COLOURS, INK, WIDEST, new_figure, to_png
from fc_assets.load_test.capacity.probes import Capacities
from fc_assets.load_test.capacity.search import ATTAINMENT
from fc_assets.load_test.findings.capacity import knees
from fc_assets.load_test.matrix.tables import Rows, closed_cells
from fc_assets.names import CURVES_PLOT, HEAT_MAP_PLOT, LATENCY_THROUGHPUT_PLOT
from fc_assets.profiles import ServiceLevel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle


def draw_all(rows: Rows, slo: ServiceLevel, out: Path) -> None:
    """All three pictures, under their names in the artefact."""
    curves(rows, slo, out / CURVES_PLOT)
    latency_throughput(rows, knees(rows), out / LATENCY_THROUGHPUT_PLOT)
    heat_map(rows, slo, out / HEAT_MAP_PLOT)


def curves(rows: Rows, slo: ServiceLevel, png: Path) -> None:
    """TTFT P95 and output tokens a second over concurrency, a line per context length, intervals as bands."""
    figure, (left, right) = new_figure(WIDEST, 4.0, columns=2)
    by_context = closed_cells(rows)
    for colour, (context, cells) in zip(cycle(COLOURS), by_context.items(), strict=False):
        x = [cell["concurrency"] for cell in cells]
        _curve(left, x, [cell["ttft_p95_s"] * 1e3 for cell in cells], context, colour)
        _curve(right, x, [cell["output_tokens_per_s"] for cell in cells], context, colour)
        low = [cell["ttft_p95_s_low"] * 1e3 for cell in cells]
        high = [cell["ttft_p95_s_high"] * 1e3 for cell in cells]
        left.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    _slo_line(left, slo.ttft_p95_s * 1e3)
    _label(left, "Time to first token, P95", "requests under way", "ms")
    _label(right, "Throughput", "requests under way", "output tokens / s")
    for axes in (left, right):
        levels = sorted({row["concurrency"] for row in rows if row["kind"] == "closed"})
        axes.set_xscale("log", base=2)
        axes.set_xticks(levels, [str(level) for level in levels])
        axes.set_ylim(bottom=0)
    right.legend(title="context", frameon=False, loc="upper left")
    png.write_bytes(to_png(figure))


def latency_throughput(rows: Rows, at_knee: Mapping[int, int], png: Path) -> None:
    """End-to-end P95 against throughput, a curve per context length; `at_knee` has the concurrency to ring on each."""
    figure, (axes,) = new_figure(6.6, 4.4)
    by_context = closed_cells(rows)
    for colour, (context, cells) in zip(cycle(COLOURS), by_context.items(), strict=False):
        x = [cell["output_tokens_per_s"] for cell in cells]
        y = [cell["e2e_p95_s"] * 1e3 for cell in cells]
        _curve(axes, x, y, context, colour)
        for cell, across, up in zip(cells, x, y, strict=True):
            axes.annotate(str(cell["concurrency"]), (across, up), (5, -11), textcoords="offset points", fontsize=8)
            if at_knee.get(context) == cell["concurrency"]:
                axes.plot(across, up, "o", markersize=13, markerfacecolor="none", color=colour, markeredgewidth=1.8)
    _label(axes, "Latency against throughput", "output tokens / s", "end to end, P95, ms")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(title="context (ring: knee,\nnumber: concurrency)", frameon=False, loc="best")
    png.write_bytes(to_png(figure))


def heat_map(rows: Rows, slo: ServiceLevel, png: Path) -> None:
    """TTFT P95 over concurrency and context length; a cell that breaks the SLO is framed, one without figures empty."""
    import numpy as np

    by_context = closed_cells(rows)
    contexts = list(by_context)
    levels = sorted({cell["concurrency"] for cells in by_context.values() for cell in cells})
    grid = np.full((len(contexts), len(levels)), np.nan)
    figure, (axes,) = new_figure(min(WIDEST, 1.6 + 1.15 * max(len(levels), 3)), 1.4 + 0.75 * max(len(contexts), 2))
    axes.grid(visible=False)
    cells = [(contexts.index(context), cell) for context, column in by_context.items() for cell in column]
    for row, cell in cells:
        grid[row, levels.index(cell["concurrency"])] = cell["ttft_p95_s"] * 1e3
    image = axes.imshow(grid, cmap="YlGnBu", aspect="auto", vmin=0)
    middle = np.nanmax(grid) * 0.55
    for row, cell in cells:
        column = levels.index(cell["concurrency"])
        text = f"{cell['ttft_p95_s'] * 1e3:.0f} ms\n{cell['output_tokens_per_s']:.0f} tok/s"
        ink = "white" if grid[row, column] > middle else INK
        axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=ink)
        if cell["ttft_p95_s"] > slo.ttft_p95_s or cell["tpot_p95_s"] > slo.tpot_p95_s:
            axes.add_patch(_frame(column, row))
    axes.set_xticks(range(len(levels)), [str(level) for level in levels])
    axes.set_yticks(range(len(contexts)), [str(context) for context in contexts])
    _label(axes, "Time to first token, P95 (red frame: breaks the SLO)", "requests under way", "context, tokens")
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="ms", pad=0.02).outline.set_visible(False)
    png.write_bytes(to_png(figure))


def capacity_curve(found: Capacities, png: Path) -> None:
    """The share of requests that kept the SLO at each load tried, all tries of it together, with Wilson 95 % intervals.

    The band is where the capacity lies: from the highest load that kept the SLO to the lowest that broke it.
    """
    searches = [each for each in (found.closed, found.open) if each]
    figure, panels = new_figure(4.9 * len(searches), 4.0, columns=len(searches))
    for axes, search in zip(panels, searches, strict=True):
        for level, kept, requests in search.by_level():
            interval = binomtest(kept, requests).proportion_ci(method="wilson")
            axes.plot([level, level], [interval.low * 100, interval.high * 100], color=COLOURS[0], linewidth=1.5)
            axes.plot(level, kept / requests * 100, "o", color=COLOURS[0], markersize=6)
        axes.axhline(ATTAINMENT * 100, color=ALARM, linestyle=(0, (5, 4)), linewidth=1.2)
        if search.broken_at is not None:
            axes.axvspan(search.level, search.broken_at, color=COLOURS[1], alpha=0.2, linewidth=0)
        if search.kind == "closed":
            axes.set_xscale("log", base=2)
            levels = [level for level, _, _ in search.by_level()]
            axes.set_xticks(levels, [f"{level:g}" for level in levels])
            axes.minorticks_off()
        axes.set_ylim(0, 103)
        unit = "requests under way" if search.kind == "closed" else "requests / s"
        _label(axes, f"Capacity at the SLO: {search.level:g} {unit}", unit, "requests that kept the SLO, %")
    png.write_bytes(to_png(figure))


def _curve(axes: Axes, x: Sequence[float], y: Sequence[float], context: int, colour: str) -> None:
    axes.plot(x, y, color=colour, marker="o", markersize=5, linewidth=2, label=f"{context} tokens")


def _frame(column: int, row: int) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, fill=False, edgecolor=ALARM, linewidth=2)


def _slo_line(axes: Axes, value: float) -> None:
    """The SLO as a dashed line, unless it lies so far above the data that showing it would hide them."""
    if value < 2 * axes.get_ylim()[1]:
        axes.axhline(value, color=ALARM, linestyle=(0, (5, 4)), linewidth=1.2)
        axes.annotate("SLO", (1, value), (-4, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
                      ha="right", color=ALARM, fontsize=9)  # fmt: skip


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", color=INK)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
