"""Several runs of one matrix: which folders hold them, and each figure with an interval over the runs.

An interval over the requests of one run does not see what differs from run to run; this one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from fc_assets.errors import FcAssetsError
from fc_assets.load_test.load.request_statistics import CONFIDENCE
from fc_assets.load_test.matrix.tables import Rows
from fc_assets.names import MATRIX_CELLS

RUN_FOLDER = "run-"
"""The folder of one run of several begins so; its number follows."""

FIGURES = ("ttft_p50_s", "ttft_p95_s", "e2e_p50_s", "requests_per_s", "output_tokens_per_s")


def runs_in(folder: Path) -> list[Path]:
    """The folder itself if it holds a matrix, else those of its repeats. Raises `FcAssetsError` if it has neither."""
    if (folder / MATRIX_CELLS).is_file():
        return [folder]
    runs = sorted(file.parent for file in folder.glob(f"{RUN_FOLDER}*/{MATRIX_CELLS}"))
    if not runs:
        raise FcAssetsError(f"{folder} holds no run of the load test: make one with fc-assets bench --out {folder}")
    return runs


def over_runs(runs: Sequence[Rows]) -> list[dict[str, Any]]:
    """For each cell and figure of at least two runs: `mean`, and `low` and `high` of Student's 95 % interval for it."""
    found = []
    for cell in [row["cell"] for row in runs[0]]:
        rows = [row for run in runs for row in run if row["cell"] == cell]
        for figure in FIGURES:
            values = np.array([row[figure] for row in rows], dtype=float)
            mean, error = float(values.mean()), float(stats.sem(values))
            reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error
            found.append(
                {"cell": cell, "figure": figure, "runs": len(values), "mean": mean, "low": mean - reach,
                 "high": mean + reach}
            )  # fmt: skip
    return found
