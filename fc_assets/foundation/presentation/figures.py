"""The one way to draw: figures in one style, as PNG bytes. What is drawn belongs to the rooms.

matplotlib is imported when the first figure is made: the definitions load without it.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 110
WIDEST = 9.8
"""Inches: 1,078 pixels, which the page's dialog shows without scrolling on a screen of 1,440."""
COLOURS = ("#4c6ef5", "#2b8a3e", "#ae3ec9", "#f08c00", "#868e96")
"""For series, in this order."""
ACCENT, INK, FAINT, ALARM = "#e8590c", "#22272e", "#adb5bd", "#c8372d"


def new_figure(width: float, height: float, *, columns: int = 1, rows: int = 1) -> tuple[Figure, Sequence[Axes]]:
    """An empty figure of `width` x `height` inches and its axes, row by row, each with a faint grid and no frame.

    Raises `ValueError` for a width above `WIDEST`.
    """
    from matplotlib.figure import Figure

    if width > WIDEST:
        raise ValueError(f"a figure {width} inches wide does not fit the page's dialog, {WIDEST} does")

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def to_png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file, without matplotlib's note of its own version."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
