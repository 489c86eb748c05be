"""How much load the server takes: up to where it keeps the SLO, and where more load stops paying.

Arithmetic over the rows of a matrix. Which settings follow from it is in `recommendation`.
"""

from __future__ import annotations

from fc_assets.errors import FcAssetsError
from fc_assets.load_test.matrix.tables import CellRow, Rows, closed_cells
from fc_assets.profiles import ServiceLevel


def keeps_slo(row: CellRow, slo: ServiceLevel) -> bool:
    """Whether a cell's P95s are within the promise and nothing failed."""
    return bool(row["error_rate"] == 0 and row["ttft_p95_s"] <= slo.ttft_p95_s and row["tpot_p95_s"] <= slo.tpot_p95_s)


def slo_concurrency(rows: Rows, slo: ServiceLevel) -> int:
    """The highest concurrency up to which every measured cell, at every context length, keeps the SLO; 0 for none."""
    kept = 0
    by_context = closed_cells(rows)
    for level in sorted({cell["concurrency"] for cells in by_context.values() for cell in cells}):
        at_level = [cell for cells in by_context.values() for cell in cells if cell["concurrency"] == level]
        if not all(keeps_slo(cell, slo) for cell in at_level):
            break
        kept = int(level)
    return kept


def knee(cells: Rows) -> int:
    """The concurrency with the greatest *power*, throughput over mean-like latency (here the end-to-end P50).

    Kleinrock's measure (ICC 1979): below the knee more load buys throughput, above it mostly waiting.
    """
    measured = [cell for cell in cells if cell["e2e_p50_s"] > 0]
    if not measured:
        raise FcAssetsError("No cell of the matrix has a latency, so there is no knee; look at its failures first")
    return int(max(measured, key=lambda cell: cell["requests_per_s"] / cell["e2e_p50_s"])["concurrency"])


def knees(rows: Rows) -> dict[int, int]:
    """The knee of each context length."""
    return {context: knee(cells) for context, cells in closed_cells(rows).items()}
