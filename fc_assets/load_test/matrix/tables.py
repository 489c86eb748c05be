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
    from fc_assets.load_test.matrix.run import Matrix
    from fc_assets.serving.endpoint import Endpoint

ABOUT = "matrix.json"
CELLS = "cells.parquet"
REQUESTS = "requests.parquet"
RECONCILIATION = "reconciliation.parquet"

Rows = Sequence[Mapping[str, Any]]
"""Flat records. Of a cell, a latency that nothing succeeded for is NaN; what does not apply to it is None."""


def write_matrix(
    matrix: Matrix, endpoint: Endpoint, settings: BenchmarkSettings, conditions: Mapping[str, object], out: Path
) -> None:
    """`cells.parquet`, `requests.parquet`, `reconciliation.parquet` and `matrix.json`.

    `conditions` are what a later matrix must share for its figures to be comparable.
    """
    _write(out / CELLS, matrix.rows())
    _write(out / REQUESTS, [row for result in matrix.results for row in result.requests])
    _write(out / RECONCILIATION, reconciliation_rows(matrix))
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


def read_rows(folder: Path, name: str = CELLS) -> list[dict[str, Any]]:
    """The rows of one of a matrix's Parquet files: its cells, as `Matrix.rows` gave them, or another by name."""
    import pyarrow.parquet as pq

    if not (folder / name).is_file():
        raise FcAssetsError(f"{folder} holds no {name}; materialise benchmark_matrix again")
    return pq.read_table(folder / name).to_pylist()


def _write(file: Path, rows: Rows) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = dict.fromkeys(name for row in rows for name in row)
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), file)


def closed_cells(rows: Rows) -> dict[int, list[Mapping[str, Any]]]:
    """The closed-loop cells by context length, each list in the order of concurrency."""
    closed = [row for row in rows if row["kind"] == "closed"]
    return {
        int(context): sorted(
            (row for row in closed if row["context_length"] == context), key=lambda row: row["concurrency"]
        )
        for context in sorted({row["context_length"] for row in closed})
    }
