"""The files of a matrix: written once, read by checks, pictures and the recommendation.

A row per cell, a row per request, a row per quantity that client and server both counted, and a record of what all of
it was measured on. Their names are in `names`; measuring is in `matrix_measurement`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import read_json, write_json
from fc_assets.names import BENCHMARK_MATRIX, MATRIX_CELLS, MATRIX_RECORD, MATRIX_REQUESTS, RECONCILIATION
from fc_assets.profiles import BenchmarkSettings

if TYPE_CHECKING:
    from fc_assets.load_test.matrix.matrix_measurement import MeasuredMatrix
    from fc_assets.serving.endpoint import Endpoint

CellRow = Mapping[str, Any]
"""A cell's figures as flat columns: what and how much was asked (`cell`, `kind`, `context_length`, `concurrency`,
`rate`), the figures of `request_statistics.summarise`, `steady_state.steady_figures`,
`reconciliation.server_figures` and `MachineMeter.figures`,
`reconciled` and `client_limited`. A latency that nothing succeeded for is NaN, what does not apply to a cell is None.
"""
Rows = Sequence[CellRow]
"""Of cells here; the rows of requests and of the reconciliation have columns of their own."""


class MatrixRecord(BaseModel):
    """What a matrix was measured on. `conditions` are what a later one must share to be comparable."""

    server: dict[str, Any]
    model: str
    benchmark: dict[str, Any]
    conditions: dict[str, Any]
    calibration: dict[str, int | float]
    resumed: list[str]


def write_matrix(
    matrix: MeasuredMatrix, endpoint: Endpoint, settings: BenchmarkSettings, conditions: Mapping[str, object], out: Path
) -> None:
    """Write all four files into `out`; `conditions` go into the record."""
    _write_rows(out / MATRIX_CELLS, matrix.rows())
    _write_rows(out / MATRIX_REQUESTS, [row for result in matrix.results for row in result.requests])
    _write_rows(out / RECONCILIATION, reconciliation_rows(matrix))
    record = MatrixRecord(
        server=endpoint.info.record(),
        model=endpoint.model,
        benchmark=settings.model_dump(mode="json"),
        conditions=dict(conditions),
        calibration=asdict(matrix.calibration),
        resumed=list(matrix.resumed),
    )
    write_json(out / MATRIX_RECORD, record.model_dump(mode="json"))


def reconciliation_rows(matrix: MeasuredMatrix) -> list[dict[str, object]]:
    """Client against server, a row for each cell and quantity; a row without agreement has `agrees` False."""
    return [{"cell": result.cell.name, **row} for result in matrix.results for row in result.reconciliation]


def read_record(folder: Path) -> MatrixRecord:
    """What the matrix in `folder` was measured on. Raises `FcAssetsError` when the file is missing or no JSON."""
    return MatrixRecord.model_validate(read_json(folder / MATRIX_RECORD))


def read_rows(folder: Path, name: str = MATRIX_CELLS) -> list[dict[str, Any]]:
    """The rows of one of a matrix's Parquet files: its cells, as `MeasuredMatrix.rows` gave them, or another by name.

    Raises `FcAssetsError` when the file is missing.
    """
    import pyarrow.parquet as pq

    if not (folder / name).is_file():
        raise FcAssetsError(f"{folder} holds no {name}; materialise {BENCHMARK_MATRIX} again")
    return cast("list[dict[str, Any]]", pq.read_table(folder / name).to_pylist())  # pyarrow has no types


def _write_rows(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = dict.fromkeys(name for row in rows for name in row)
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), file)


def closed_cells(rows: Rows) -> dict[int, list[CellRow]]:
    """The closed-loop cells by context length, each list in the order of concurrency."""
    closed = [row for row in rows if row["kind"] == "closed"]
    return {
        int(context): sorted(
            (row for row in closed if row["context_length"] == context), key=lambda row: row["concurrency"]
        )
        for context in sorted({row["context_length"] for row in closed})
    }
