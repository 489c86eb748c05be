"""One matrix against an earlier one, cell by cell: the ratio of their latencies with an interval.

Reads the requests of both; either may have been measured in several runs. Which are compared is decided in `checks`
and `commands.compare`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fc_assets.errors import FcAssetsError
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


def latency_ratios(now: Sequence[Path], then: Sequence[Path], seed: int) -> list[LatencyRatio]:
    """The cells that both matrices have, each measured in one run or in several, a folder each.

    The bootstrap draws runs, then requests within them: what differs from run to run widens the interval. Bonferroni
    over cells: one of many must not look slower by chance. Raises `FcAssetsError` when they have no cell in common.
    """
    old, new = _latencies(then), _latencies(now)
    cells = [cell for cell in new if cell in old]
    if not cells:
        raise FcAssetsError(f"{then[0]} and {now[0]} have no cell in common: measure the same cells again")
    rng = np.random.default_rng(seed)
    return [_ratio(cell, new[cell], old[cell], _TAIL / len(cells), rng) for cell in cells]


def _ratio(
    cell: str, now: Sequence[Floats], then: Sequence[Floats], tail: float, rng: np.random.Generator
) -> LatencyRatio:
    low, high = np.percentile(_drawn_medians(now, rng) / _drawn_medians(then, rng), (tail, _PER_CENT - tail))
    middle, before = float(np.median(np.concatenate(now))), float(np.median(np.concatenate(then)))
    return LatencyRatio(cell, middle, before, middle / before, float(low), float(high))


def _drawn_medians(runs: Sequence[Floats], rng: np.random.Generator) -> Floats:
    drawn = np.empty(BOOTSTRAP_SAMPLES)
    for number, chosen in enumerate(rng.integers(0, len(runs), (BOOTSTRAP_SAMPLES, len(runs)))):
        values = [runs[run][rng.integers(0, len(runs[run]), len(runs[run]))] for run in chosen]
        drawn[number] = np.median(np.concatenate(values))
    return drawn


def _latencies(folders: Sequence[Path]) -> dict[str, list[Floats]]:
    """The end-to-end latencies of each cell, an array for each run that has some."""
    found: dict[str, list[Floats]] = {}
    for folder in folders:
        by_cell: dict[str, list[float]] = {}
        for row in read_rows(folder, MATRIX_REQUESTS):
            if row["phase"] == "measured" and not row["failure"]:
                by_cell.setdefault(row["cell"], []).append(row["ended_s"] - row["intended_s"])
        for cell, values in by_cell.items():
            found.setdefault(cell, []).append(np.array(values))
    return found


def slower_cells(ratios: Sequence[LatencyRatio], margin: float) -> list[LatencyRatio]:
    """The cells that got worse, the worst first."""
    return sorted((ratio for ratio in ratios if ratio.is_worse(margin)), key=lambda ratio: -ratio.ratio)
