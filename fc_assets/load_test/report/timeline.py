"""The time line of a run as a picture: what was under way in each cell, its plateau, and how TTFT went meanwhile.

How plateau and slices are found is in `load.steady_state`; nothing is computed here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fc_assets.foundation.presentation.figures import ACCENT, COLOURS, FAINT, INK, WIDEST, new_figure, to_png
from fc_assets.load_test.load.steady_state import RequestRows, time_slices
from fc_assets.load_test.matrix.tables import Rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 3


def draw_timeline(cells: Rows, requests: RequestRows, png: Path) -> None:
    """A panel for each cell: requests under way over the measuring window (line), the plateau (band), TTFT P50 of each
    slice as dots, scaled to the panel and named by its highest value.
    """
    lines = math.ceil(len(cells) / _COLUMNS)
    figure, panels = new_figure(WIDEST, 1.9 * lines, columns=_COLUMNS, rows=lines)
    by_cell: dict[str, list[Mapping[str, Any]]] = {}
    for row in requests:
        by_cell.setdefault(row["cell"], []).append(row)
    for axes, cell in zip(panels, cells, strict=False):
        _panel(axes, cell, time_slices(by_cell.get(cell["cell"], [])))
    for axes in panels[len(cells) :]:
        axes.set_axis_off()
    png.write_bytes(to_png(figure))


def _panel(axes: Axes, cell: Mapping[str, Any], slices: Sequence[Mapping[str, float | None]]) -> None:
    axes.set_title(cell["cell"], loc="left", fontsize=9, color=INK)
    axes.tick_params(labelsize=7)
    if not slices:
        return
    times = [each["at_s"] or 0.0 for each in slices]
    levels = [each["under_way"] or 0.0 for each in slices]
    if cell["steady_from_s"] is not None:
        axes.axvspan(cell["steady_from_s"], cell["steady_to_s"], color=COLOURS[1], alpha=0.12, linewidth=0)
    axes.plot(times, levels, color=COLOURS[0], linewidth=1.6)
    top = max(levels) * 1.15 or 1.0
    waits = [(at, wait) for at, each in zip(times, slices, strict=True) if (wait := each["ttft_p50_s"]) is not None]
    if waits:
        longest = max(wait for _, wait in waits) or 1.0
        heights = [wait / longest * top * 0.9 for _, wait in waits]
        axes.plot([at for at, _ in waits], heights, "o", color=ACCENT, markersize=2.5)
        axes.text(0.99, 1.03, f"TTFT P50 up to {longest * 1e3:.0f} ms", transform=axes.transAxes, fontsize=7,
                  ha="right", color=ACCENT)  # fmt: skip
    axes.set_ylim(0, top)
    axes.set_xlim(0, max(times) + times[0])
    axes.axhline(0, color=FAINT, linewidth=0.5)
