"""This matrix against an earlier one, cell by cell: the ratio of their latencies with an interval.

Reads the requests of both artefacts. Which earlier one is compared with is decided in `checks`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fc_assets.load_test.load.request_statistics import BOOTSTRAP_SAMPLES, Floats
from fc_assets.load_test.matrix.tables import read_rows
from fc_assets.names import MATRIX_REQUESTS

_TAIL = 2.5
_PER_CENT = 100


@dataclass(frozen=True, slots=True)
class LatencyRatio:
    """Median end-to-end latency of a cell now over then, with its 95 % interval, widened for the number of cells."""

    cell: str
    now_s: float
    then_s: float
    ratio: float
    low: float
    high: float

    def is_worse(self, margin: float) -> bool:
        """Whether the cell is slower by more than `margin` beyond doubt."""
        return self.low > 1 + margin


def latency_ratios(now: Path, then: Path, seed: int) -> list[LatencyRatio]:
    """The cells that both matrices have. Bonferroni over cells: one of many must not look slower by chance."""
    old, new = _latencies(then), _latencies(now)
    cells = [cell for cell in new if cell in old]
    rng = np.random.default_rng(seed)
    return [_ratio(cell, new[cell], old[cell], _TAIL / len(cells), rng) for cell in cells]


def _ratio(cell: str, now: Floats, then: Floats, tail: float, rng: np.random.Generator) -> LatencyRatio:
    def medians(values: Floats) -> Floats:
        drawn = values[rng.integers(0, len(values), (BOOTSTRAP_SAMPLES, len(values)))]
        return np.asarray(np.median(drawn, axis=1))

    low, high = np.percentile(medians(now) / medians(then), (tail, _PER_CENT - tail))
    middle, before = float(np.median(now)), float(np.median(then))
    return LatencyRatio(cell, middle, before, middle / before, float(low), float(high))


def _latencies(folder: Path) -> dict[str, Floats]:
    by_cell: dict[str, list[float]] = {}
    for row in read_rows(folder, MATRIX_REQUESTS):
        if row["phase"] == "measured" and not row["failure"]:
            by_cell.setdefault(row["cell"], []).append(row["ended_s"] - row["intended_s"])
    return {cell: np.array(values) for cell, values in by_cell.items()}


def slower_cells(ratios: Sequence[LatencyRatio], margin: float) -> list[LatencyRatio]:
    """The cells that got worse, the worst first."""
    return sorted((ratio for ratio in ratios if ratio.is_worse(margin)), key=lambda ratio: -ratio.ratio)
