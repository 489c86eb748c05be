"""From the matrix to the settings to serve with, and the sentences that say why.

Measuring and drawing are elsewhere; the deployment reads `settings` out of the file that is written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import read_json, write_json
from fc_assets.load_test.findings.capacity import knees, slo_concurrency
from fc_assets.load_test.matrix.tables import CellRow, Rows, closed_cells
from fc_assets.names import BENCHMARK_MATRIX, RECOMMENDATION
from fc_assets.profiles import ServerSettings, ServiceLevel
from fc_assets.serving.vllm_command import flags_for


class RecommendedSettings(BaseModel):
    """The server settings that a recommendation replaces in a profile."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    max_num_seqs: int
    max_num_batched_tokens: int
    max_model_len: int


class Recommendation(RecommendedSettings):
    """Settings for a stated SLO. `knees` maps each context length to the concurrency at its knee; `reasons` are
    sentences for people; `holds` says whether any measured load kept the SLO at all; `flags` are vLLM's.
    """

    slo_concurrency: int
    knees: dict[int, int]
    holds: bool
    flags: list[str]
    reasons: list[str]

    @property
    def settings(self) -> RecommendedSettings:
        """The settings alone."""
        return RecommendedSettings.model_validate(self.model_dump(include=set(RecommendedSettings.model_fields)))


def recommend(rows: Rows, sweep: Rows, server: ServerSettings, slo: ServiceLevel) -> Recommendation:
    """Settings from the matrix, and from the sweep over server settings where one was run (else `sweep` is empty)."""
    by_context = closed_cells(rows)
    if not by_context:
        raise FcAssetsError(
            f"The matrix has no closed-loop cell to recommend from; materialise {BENCHMARK_MATRIX} again"
        )
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


def write_recommendation(found: Recommendation, slo: ServiceLevel, sweep: Rows, folder: Path) -> None:
    """Write the recommendation with the SLO and the sweep that it rests on."""
    report = {"settings": found.settings.model_dump(), "slo": slo.model_dump(), **found.model_dump(), "sweep": sweep}
    write_json(folder / RECOMMENDATION, report)


def read_recommendation(folder: Path) -> Recommendation:
    """What `write_recommendation` wrote."""
    return Recommendation.model_validate(read_json(folder / RECOMMENDATION))


def best_of_sweep(sweep: Rows) -> CellRow:
    """The settings with the best goodput; of those within 2 %, the ones with the lowest TTFT P95."""
    most = max(row["goodput_per_s"] for row in sweep)
    return min((row for row in sweep if row["goodput_per_s"] >= 0.98 * most), key=lambda row: row["ttft_p95_s"])


def _lowest(by_context: Mapping[int, Rows]) -> int:
    return min(int(cell["concurrency"]) for cells in by_context.values() for cell in cells)
