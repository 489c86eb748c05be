"""Where a load stood still: warm-up and tail found from what was under way, and figures slice by slice of time.

Works on the rows of requests that a matrix keeps, so it can be asked again of any run. What one load's figures are as a
whole is in `request_statistics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PLATEAU_SLICES = 60
"""Slices of a load in which its plateau is looked for: fine enough for a ramp, coarse enough for a mean."""

TOLERANCE = 0.15
"""A plateau's slices lie within this share of its mean, or within one request of it."""

TIME_SLICES = 12
"""Slices of the measuring window for the figures over time."""

RequestRows = Sequence[Mapping[str, Any]]
"""Rows of requests as a matrix keeps them; times are seconds from the start of the measuring window."""

Floats = NDArray[np.float64]


def under_way(rows: RequestRows, edges: Floats) -> Floats:
    """The mean number of requests under way between each two of `edges` (seconds): their time in it by its length."""
    sent = np.array([row["sent_s"] for row in rows])[:, None]
    ended = np.array([row["ended_s"] for row in rows])[:, None]
    overlap = np.minimum(ended, edges[1:]) - np.maximum(sent, edges[:-1])
    return np.asarray(np.clip(overlap, 0, None).sum(axis=0) / np.diff(edges))


def longest_plateau(levels: Floats) -> tuple[int, int]:
    """The first and the last of the longest row of slices that all lie near their common mean (see `TOLERANCE`).

    Of rows of equal length it is the one with the highest mean: an idle server stands still too.
    """
    best, found = (0, 0.0), (0, 0)
    for first in range(len(levels)):
        for last in range(first + max(best[0] - 1, 0), len(levels)):
            row = levels[first : last + 1]
            mean = float(row.mean())
            if np.abs(row - mean).max() <= max(TOLERANCE * mean, 1.0) and (len(row), mean) > best:
                best, found = (len(row), mean), (first, last)
    return found


def steady_figures(rows: RequestRows) -> dict[str, float | None]:
    """`steady_from_s` and `steady_to_s`: the plateau of what was under way, seconds from the start of the window.

    The rule: the whole load, from the first sending to the last end, is cut into `PLATEAU_SLICES`; the plateau is the
    longest row of slices whose means stay within `TOLERANCE` of their common one; what comes before it is warm-up, what
    comes after it tail. `steady_share` is the share of the measuring window that lies on it: below 1 the window has
    some of either in it. None where the number under way goes up and down by itself, for an open load by its Poisson
    arrivals and for sessions by the waits for their tools, and for fewer than two requests.
    """
    if len(rows) < 2 or any(row["worker"] is None or row.get("session") is not None for row in rows):
        return {"steady_from_s": None, "steady_to_s": None, "steady_share": None}
    edges = np.linspace(min(row["sent_s"] for row in rows), max(row["ended_s"] for row in rows), PLATEAU_SLICES + 1)
    first, last = longest_plateau(under_way(rows, edges))
    start, end = float(edges[first]), float(edges[last + 1])
    window = max((row["ended_s"] for row in rows if row["phase"] == "measured"), default=0.0)
    inside = min(end, window) - max(start, 0.0)
    return {
        "steady_from_s": start,
        "steady_to_s": end,
        "steady_share": max(inside, 0.0) / window if window > 0 else None,
    }


def time_slices(rows: RequestRows) -> list[dict[str, float | None]]:
    """The measuring window in `TIME_SLICES`: its middle `at_s`, requests `under_way`, requests ended and output tokens
    a second, and the median TTFT of the requests meant to be sent in it (None where there was none).
    """
    window = max((row["ended_s"] for row in rows if row["phase"] == "measured"), default=0.0)
    if window <= 0:
        return []
    edges = np.linspace(0.0, window, TIME_SLICES + 1)
    seconds = window / TIME_SLICES
    levels = under_way(rows, edges)
    found = []
    for low, high, level in zip(edges, edges[1:], levels, strict=False):
        good = [row for row in rows if not row["failure"] and row["arrivals_s"]]
        first = [row["arrivals_s"][0] - row["intended_s"] for row in good if low <= row["intended_s"] < high]
        tokens = sum(
            row["output_tokens"] * sum(low < when <= high for when in row["arrivals_s"]) / len(row["arrivals_s"])
            for row in good
        )
        found.append(
            {
                "at_s": float(low + high) / 2,
                "under_way": float(level),
                "requests_per_s": sum(low < row["ended_s"] <= high for row in rows) / seconds,
                "output_tokens_per_s": tokens / seconds,
                "ttft_p50_s": float(np.median(first)) if first else None,
            }
        )
    return found
