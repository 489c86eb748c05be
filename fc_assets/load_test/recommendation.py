"""From the matrix to the settings to serve with: what the SLO allows, and where more load stops paying.

Arithmetic over the rows of `Matrix.rows`. Measuring, drawing and deploying happen elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fc_assets.errors import FcAssetsError
from fc_assets.load_test.matrix.tables import Rows, closed_cells
from fc_assets.profiles import ServerSettings, ServiceLevel
from fc_assets.serving.server import flags_for


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Settings for a stated SLO. `knees` maps each context length to the concurrency at its knee; `reasons` are
    sentences for people; `holds` says whether any measured load kept the SLO at all.
    """

    max_num_seqs: int
    max_num_batched_tokens: int
    max_model_len: int
    slo_concurrency: int
    knees: Mapping[int, int]
    holds: bool
    flags: Sequence[str]
    reasons: Sequence[str]


def keeps_slo(row: Mapping[str, Any], slo: ServiceLevel) -> bool:
    """Whether a cell's P95s are within the promise and nothing failed."""
    return bool(row["error_rate"] == 0 and row["ttft_p95_s"] <= slo.ttft_p95_s and row["tpot_p95_s"] <= slo.tpot_p95_s)


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


def recommend(rows: Rows, sweep: Rows, server: ServerSettings, slo: ServiceLevel) -> Recommendation:
    """Settings from the matrix, and from the sweep over server settings where one was run (else `sweep` is empty)."""
    by_context = closed_cells(rows)
    if not by_context:
        raise FcAssetsError("The matrix has no closed-loop cell to recommend from; materialise benchmark_matrix again")
    promised = f"TTFT P95 <= {slo.ttft_p95_s:g} s and time per output token P95 <= {slo.tpot_p95_s:g} s"
    level = slo_concurrency(rows, slo)
    found = knees(rows)
    highest = max(int(cell["concurrency"]) for cells in by_context.values() for cell in cells)
    reasons = [f"Knee of the latency-throughput curve at {context} tokens: {at}" for context, at in found.items()]
    if level:
        reasons.append(f"{promised} held at every context length up to {level} requests under way")
    else:
        reasons.append(f"{promised} did not hold even for {_lowest(by_context)} request(s) under way")
    chosen_tokens = server.max_num_batched_tokens
    if sweep:
        best = best_of_sweep(sweep)
        seqs, chosen_tokens = int(best["max_num_seqs"]), int(best["max_num_batched_tokens"])
        reasons.append(
            f"Of {len(sweep)} server settings tried, max_num_seqs {seqs} with max_num_batched_tokens {chosen_tokens} "
            f"had the best goodput: {best['goodput_per_s']:.2f} requests/s at concurrency {best['concurrency']}"
        )
    elif level == highest:
        # Nothing broke, so the limit was not found: do not set one below what the server was measured with.
        seqs = server.max_num_seqs
        reasons.append(f"{level} was the highest load measured, so max_num_seqs stays at {seqs}")
    else:
        seqs = max(level, 1)
        reasons.append(f"max_num_seqs {seqs}: what comes on top of that load waits instead of slowing all others")
    settings = server.model_copy(update={"max_num_seqs": seqs, "max_num_batched_tokens": chosen_tokens})
    return Recommendation(
        max_num_seqs=seqs,
        max_num_batched_tokens=chosen_tokens,
        max_model_len=server.max_model_len,
        slo_concurrency=level,
        knees=found,
        holds=level > 0,
        flags=flags_for(settings),
        reasons=reasons,
    )


def best_of_sweep(sweep: Rows) -> Mapping[str, Any]:
    """The settings with the best goodput; of those within 2 %, the ones with the lowest TTFT P95."""
    most = max(row["goodput_per_s"] for row in sweep)
    return min((row for row in sweep if row["goodput_per_s"] >= 0.98 * most), key=lambda row: row["ttft_p95_s"])


def _lowest(by_context: Mapping[int, Rows]) -> int:
    return min(int(cell["concurrency"]) for cells in by_context.values() for cell in cells)
