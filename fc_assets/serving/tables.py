"""The files of a matrix: written once, read by checks, pictures and the recommendation.

`cells.parquet` has a row per cell, `requests.parquet` one per request, `reconciliation.parquet` one per quantity that
client and server both counted, and `matrix.json` says what all of it was measured on. Measuring is `matrix`'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import BenchmarkSettings

if TYPE_CHECKING:
    from fc_assets.serving.matrix import Matrix
    from fc_assets.serving.server import Endpoint

ABOUT = "matrix.json"

Rows = Sequence[Mapping[str, Any]]
"""Cells as flat records; a number that is missing is NaN."""


def write_matrix(
    matrix: Matrix, endpoint: Endpoint, settings: BenchmarkSettings, conditions: Mapping[str, object], out: Path
) -> None:
    """`cells.parquet`, `requests.parquet`, `reconciliation.parquet`, `and `matrix.json`.

    `conditions` are what a later matrix must share for its figures to be comparable.
    """
    import pandas as pd

    pd.DataFrame(matrix.rows()).to_parquet(out / "cells.parquet", index=False)
    requests = [row for result in matrix.results for row in result.requests]
    pd.DataFrame(requests).to_parquet(out / "requests.parquet", index=False)
    pd.DataFrame(reconciliation_rows(matrix)).to_parquet(out / "reconciliation.parquet", index=False)
    about = {
        "server": {name: value for name, value in endpoint.info.items() if name not in ("pid", "log")},
        "model": endpoint.model,
        "benchmark": settings.model_dump(mode="json"),
        "conditions": dict(conditions),
        "calibration": asdict(matrix.calibration),
        "resumed": list(matrix.resumed),
    }
    (out / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def reconciliation_rows(matrix: Matrix) -> list[dict[str, object]]:
    """Client against server, a row for each cell and quantity; a row without agreement has `agrees` False."""
    return [{"cell": result.cell.name, **row} for result in matrix.results for row in result.reconciliation]


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The cells of a published matrix, as `Matrix.rows` gave them; a missing number is NaN."""
    import pandas as pd

    file = folder / "cells.parquet"
    if not file.is_file():
        raise FcAssetsError(f"{folder} holds no cells.parquet; materialise benchmark_matrix again")
    return pd.read_parquet(file).to_dict("records")


def closed_cells(rows: Rows) -> dict[int, list[Mapping[str, Any]]]:
    """The closed-loop cells by context length, each list in the order of concurrency."""
    closed = [row for row in rows if row["kind"] == "closed"]
    return {
        int(context): sorted(
            (row for row in closed if row["context_length"] == context), key=lambda row: row["concurrency"]
        )
        for context in sorted({row["context_length"] for row in closed})
    }
