"""From the matrix to the settings to serve with, and the sentences that say why.

Measuring and drawing are elsewhere; the deployment reads `settings` out of the file that is written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import read_json, write_json
from fc_assets.load_test.capacity.probes import Capacities
from fc_assets.load_test.findings.capacity import keeps_slo, knees, slo_concurrency
from fc_assets.load_test.findings.sweep import compared_with_the_pair, pairs_of
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

    `slo_concurrency` is the closed capacity where it was searched, else the highest level of the matrix up to which
    the SLO held. `slo_broken_at` is the lowest concurrency that broke it, None where none did or it was not searched.
    """

    slo_concurrency: int
    slo_broken_at: int | None
    knees: dict[int, int]
    holds: bool
    flags: list[str]
    reasons: list[str]

    @property
    def settings(self) -> RecommendedSettings:
        """The settings alone."""
        return RecommendedSettings.model_validate(self.model_dump(include=set(RecommendedSettings.model_fields)))


def recommend(
    rows: Rows, sweep: Rows, server: ServerSettings, slo: ServiceLevel, capacities: Capacities | None = None
) -> Recommendation:
    """Settings from the matrix, from the search for the capacity, and from the sweep over server settings where one was
    run (else `sweep` is empty).
    """
    if not closed_cells(rows):
        raise FcAssetsError(
            f"The matrix has no closed-loop cell to recommend from; materialise {BENCHMARK_MATRIX} again"
        )
    at_knee, limit = knees(rows), _limit(rows, slo, capacities)
    reasons = [f"Knee of the latency-throughput curve at {context} tokens: {at}" for context, at in at_knee.items()]
    seqs, tokens, why = _choose(limit, sweep, server, slo)
    settings = server.model_copy(update={"max_num_seqs": seqs, "max_num_batched_tokens": tokens})
    return Recommendation(
        max_num_seqs=seqs,
        max_num_batched_tokens=tokens,
        max_model_len=server.max_model_len,
        slo_concurrency=limit.level,
        slo_broken_at=limit.broken_at,
        knees=at_knee,
        holds=limit.level > 0,
        flags=flags_for(settings),
        reasons=[*reasons, *limit.reasons, why, *compared_with_the_pair(sweep)],
    )


@dataclass(frozen=True, slots=True)
class _Limit:
    """Up to which concurrency the SLO held, and whether a higher one was seen to break it."""

    level: int
    was_found: bool
    broken_at: int | None
    reasons: list[str]


def _limit(rows: Rows, slo: ServiceLevel, capacities: Capacities | None) -> _Limit:
    promised = f"TTFT P95 <= {slo.ttft_p95_s:g} s and time per output token P95 <= {slo.tpot_p95_s:g} s"
    if capacities and (closed := capacities.closed):
        searches = [each for each in (closed, capacities.open) if each]
        reasons = [f"{promised} at {capacities.context_length} tokens: {each.describe()}" for each in searches]
        broken_at = None if closed.broken_at is None else int(closed.broken_at)
        return _Limit(int(closed.level), broken_at is not None, broken_at, reasons)
    level = slo_concurrency(rows, slo)
    levels = [int(cell["concurrency"]) for cells in closed_cells(rows).values() for cell in cells]
    if level:
        reason = f"{promised} held at every context length up to {level} requests under way"
    else:
        reason = f"{promised} did not hold even for {min(levels)} request(s) under way"
    return _Limit(level, level != max(levels), None, [reason])


def _choose(limit: _Limit, sweep: Rows, server: ServerSettings, slo: ServiceLevel) -> tuple[int, int, str]:
    """`max_num_seqs`, `max_num_batched_tokens`, and why."""
    seqs, tokens = server.max_num_seqs, server.max_num_batched_tokens
    if sweep:
        pairs = pairs_of(sweep)
        best = best_of_sweep(pairs, slo)
        if best is None:
            return seqs, tokens, f"None of the {len(pairs)} server settings tried met the SLO, so the profile's stay"
        seqs, tokens = int(best["max_num_seqs"]), int(best["max_num_batched_tokens"])
        why = (
            f"Of {len(pairs)} server settings tried, max_num_seqs {seqs} with max_num_batched_tokens {tokens} had the "
            f"best goodput: {best['goodput_per_s']:.2f} requests/s at concurrency {best['concurrency']}"
        )
        return seqs, tokens, why
    if not limit.was_found:
        # Nothing broke, so the limit was not found: do not set one below what the server was measured with.
        return seqs, tokens, f"No load that was measured broke the SLO, so max_num_seqs stays at {seqs}"
    seqs = max(limit.level, 1)
    return seqs, tokens, f"max_num_seqs {seqs}: what comes on top of that load waits instead of slowing all others"


def write_recommendation(found: Recommendation, slo: ServiceLevel, sweep: Rows, folder: Path) -> None:
    """Write the recommendation with the SLO and the sweep that it rests on."""
    report = {"settings": found.settings.model_dump(), "slo": slo.model_dump(), **found.model_dump(), "sweep": sweep}
    write_json(folder / RECOMMENDATION, report)


def read_recommendation(folder: Path) -> Recommendation:
    """What `write_recommendation` wrote."""
    return Recommendation.model_validate(read_json(folder / RECOMMENDATION))


def best_of_sweep(sweep: Rows, slo: ServiceLevel) -> CellRow | None:
    """The settings with the best goodput among those that met the SLO, None where none did; of those within 2 %, the
    ones with the lowest TTFT P95.
    """
    met = [row for row in sweep if keeps_slo(row, slo)]
    most = max((row["goodput_per_s"] for row in met), default=0.0)
    close = [row for row in met if row["goodput_per_s"] >= 0.98 * most]
    return min(close, key=lambda row: row["ttft_p95_s"], default=None)
