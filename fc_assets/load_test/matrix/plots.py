"""The matrix as pictures: curves over concurrency, latency against throughput, and the whole matrix as a heat map.

Each function takes the rows of `Matrix.rows` and writes one PNG. No figure is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fc_assets.load_test.matrix.tables import Rows, closed_cells
from fc_assets.load_test.recommendation import knees
from fc_assets.profiles import ServiceLevel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _FAINT, _ALARM = "#22272e", "#d5dae1", "#c8372d"
_DPI = 110


def draw_all(rows: Rows, slo: ServiceLevel, out: Path) -> None:
    """`curves.png`, `latency-throughput.png` and `heat-map.png`."""
    curves(rows, slo, out / "curves.png")
    latency_throughput(rows, knees(rows), out / "latency-throughput.png")
    heat_map(rows, slo, out / "heat-map.png")


def curves(rows: Rows, slo: ServiceLevel, png: Path) -> None:
    """TTFT P95 and output tokens a second over concurrency, a line per context length, intervals as bands."""
    figure, (left, right) = _figure(1, 2, (10.5, 4.0))
    by_context = closed_cells(rows)
    for colour, (context, cells) in zip(_colours(len(by_context)), by_context.items(), strict=True):
        x = [cell["concurrency"] for cell in cells]
        line = {"color": colour, "marker": "o", "markersize": 5, "linewidth": 2, "label": f"{context} tokens"}
        left.plot(x, [cell["ttft_p95_s"] * 1e3 for cell in cells], **line)
        low = [cell["ttft_p95_s_low"] * 1e3 for cell in cells]
        high = [cell["ttft_p95_s_high"] * 1e3 for cell in cells]
        left.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        right.plot(x, [cell["output_tokens_per_s"] for cell in cells], **line)
    _promise(left, slo.ttft_p95_s * 1e3)
    _style(left, "Time to first token, P95", "requests under way", "ms")
    _style(right, "Throughput", "requests under way", "output tokens / s")
    for axes in (left, right):
        levels = sorted({row["concurrency"] for row in rows if row["kind"] == "closed"})
        axes.set_xscale("log", base=2)
        axes.set_xticks(levels, [str(level) for level in levels])
        axes.set_ylim(bottom=0)
    right.legend(title="context", frameon=False, loc="upper left")
    _save(figure, png)


def latency_throughput(rows: Rows, knees: Mapping[int, int], png: Path) -> None:
    """End-to-end P95 against throughput, a curve per context length; `knees` gives the concurrency to ring on each."""
    figure, (axes,) = _figure(1, 1, (6.6, 4.4))
    by_context = closed_cells(rows)
    for colour, (context, cells) in zip(_colours(len(by_context)), by_context.items(), strict=True):
        x = [cell["output_tokens_per_s"] for cell in cells]
        y = [cell["e2e_p95_s"] * 1e3 for cell in cells]
        axes.plot(x, y, color=colour, marker="o", markersize=5, linewidth=2, label=f"{context} tokens")
        for cell, across, up in zip(cells, x, y, strict=True):
            axes.annotate(str(cell["concurrency"]), (across, up), (5, -11), textcoords="offset points", fontsize=8)
            if knees.get(context) == cell["concurrency"]:
                axes.plot(across, up, "o", markersize=13, markerfacecolor="none", color=colour, markeredgewidth=1.8)
    _style(axes, "Latency against throughput", "output tokens / s", "end to end, P95, ms")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.legend(title="context (ring: knee,\nnumber: concurrency)", frameon=False, loc="best")
    _save(figure, png)


def heat_map(rows: Rows, slo: ServiceLevel, png: Path) -> None:
    """TTFT P95 over concurrency and context length; a cell that breaks the SLO is framed, one without figures empty."""
    import numpy as np

    by_context = closed_cells(rows)
    contexts = list(by_context)
    levels = sorted({cell["concurrency"] for cells in by_context.values() for cell in cells})
    grid = np.full((len(contexts), len(levels)), np.nan)
    figure, (axes,) = _figure(1, 1, (1.6 + 1.15 * max(len(levels), 3), 1.4 + 0.75 * max(len(contexts), 2)))
    cells = [(contexts.index(context), cell) for context, column in by_context.items() for cell in column]
    for row, cell in cells:
        grid[row, levels.index(cell["concurrency"])] = cell["ttft_p95_s"] * 1e3
    image = axes.imshow(grid, cmap="YlGnBu", aspect="auto", vmin=0)
    middle = np.nanmax(grid) * 0.55
    for row, cell in cells:
        column = levels.index(cell["concurrency"])
        text = f"{cell['ttft_p95_s'] * 1e3:.0f} ms\n{cell['output_tokens_per_s']:.0f} tok/s"
        ink = "white" if grid[row, column] > middle else _INK
        axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=ink)
        if cell["ttft_p95_s"] > slo.ttft_p95_s or cell["tpot_p95_s"] > slo.tpot_p95_s:
            axes.add_patch(_frame(column, row))
    axes.set_xticks(range(len(levels)), [str(level) for level in levels])
    axes.set_yticks(range(len(contexts)), [str(context) for context in contexts])
    axes.set_title("Time to first token, P95 (red frame: breaks the SLO)", loc="left", color=_INK)
    axes.set_xlabel("requests under way")
    axes.set_ylabel("context, tokens")
    for spine in axes.spines.values():
        spine.set_visible(False)
    figure.colorbar(image, ax=axes, label="ms", pad=0.02).outline.set_visible(False)
    _save(figure, png)


def _figure(rows: int, columns: int, inches: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=inches, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _colours(count: int) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps["viridis"](0.08 + 0.8 * index / max(count - 1, 1)) for index in range(count)]


def _frame(column: int, row: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, fill=False, edgecolor=_ALARM, linewidth=2)


def _promise(axes: Axes, value: float) -> None:
    """The SLO as a dashed line, unless it lies so far above the data that showing it would hide them."""
    if value < 2 * axes.get_ylim()[1]:
        axes.axhline(value, color=_ALARM, linestyle=(0, (5, 4)), linewidth=1.2)
        axes.annotate("SLO", (1, value), (-4, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
                      ha="right", color=_ALARM, fontsize=9)  # fmt: skip


def _style(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, loc="left", color=_INK)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color=_FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _save(figure: Figure, png: Path) -> None:
    figure.savefig(png, dpi=_DPI)
