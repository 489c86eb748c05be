"""Checks on the load test: nothing failed, the SLO held, two witnesses agree, and it did not get slower."""

from pathlib import Path
from typing import Any

import dagster as dg

from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.metadata import record_of, table
from fc_assets.foundation.resources import Runtime
from fc_assets.load_test.assets import benchmark_matrix, serving_recommendation
from fc_assets.load_test.findings.headline import answers_differ, at_slo
from fc_assets.load_test.findings.recommendation import read_recommendation
from fc_assets.load_test.matrix.tables import read_record, read_rows
from fc_assets.names import MATRIX_RECORD, RECONCILIATION

EARLIER_LOOKED_AT = 50
"""How many materialisations back a comparable one is looked for."""


@dg.asset_check(asset=benchmark_matrix, blocking=True, description="Every request of every cell got a whole answer.")
def no_request_failed(benchmark_matrix: Artifact) -> dg.AssetCheckResult:
    rows = read_rows(benchmark_matrix.path)
    failed = [row for row in rows if row["error_rate"] > 0]
    return dg.AssetCheckResult(
        passed=not failed,
        metadata={
            "cells": len(rows),
            "cells_with_failures": len(failed),
            "failures": table({name: row[name] for name in ("cell", "error_rate", "failures")} for row in failed),
        },
        description=f"{len(failed)} of {len(rows)} cells had failed requests.",
    )


@dg.asset_check(
    asset=benchmark_matrix,
    blocking=True,
    description=(
        "Under every load of conversations the server answered to the letter as it does when it is idle, but for the "
        "share that the profile allows: it is not fast because it cuts or spoils its answers."
    ),
)
def answers_hold_under_load(benchmark_matrix: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    settings = runtime.profile.benchmark
    least, wanted = settings.min_as_idle, bool(settings.idle_answers and settings.tool_call_tokens)
    rows = [row for row in read_rows(benchmark_matrix.path) if row.get("idle_compared") is not None]
    wrong = [row for row in rows if answers_differ(row, least)]
    names = ("cell", "idle_compared", "as_idle_share", "cut_under_load_share", "valid_call_share_compared",
             "valid_call_share_idle")  # fmt: skip
    return dg.AssetCheckResult(
        passed=not wrong and (bool(rows) or not wanted),
        metadata={
            "compared": table({name: row[name] for name in names} for row in rows),
            "answers_differ": ", ".join(str(row["cell"]) for row in wrong),
            "least_as_idle_share": least,
        },
        description=f"In {len(wrong)} of {len(rows)} loads of conversations the answers differ from the idle server's."
        + (" None was compared, although benchmark.idle_answers asks for it." if wanted and not rows else ""),
    )


@dg.asset_check(
    asset=benchmark_matrix,
    description="After clients had cancelled requests the server held none of them, and answered the next one.",
)
def cancelled_requests_free_their_slots(benchmark_matrix: Artifact) -> dg.AssetCheckResult:
    rows = [row for row in read_rows(benchmark_matrix.path) if row["kind"] == "cancelled"]
    stuck = [row for row in rows if row["slots_kept"] or row["ttft_after_s"] is None]
    names = ("cell", "cancelled", "slots_kept", "slots_freed_s", "ttft_after_s")
    return _warning(
        not stuck,
        f"After {len(stuck)} of {len(rows)} loads with cancelled requests the server held some or did not answer.",
        loads=table({name: row[name] for name in names} for row in rows),
    )


@dg.asset_check(
    asset=benchmark_matrix,
    description="At the SLO's concurrency the P95 of TTFT and of time per token keep it, at every context length.",
)
def slo_is_kept(benchmark_matrix: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    slo = runtime.profile.benchmark.slo
    found = at_slo(read_rows(benchmark_matrix.path), slo)
    if "ttft_p95_s" not in found:
        return _warning(
            False, f"No cell was measured at the SLO's concurrency {slo.at_concurrency}: add it to the matrix."
        )
    return dg.AssetCheckResult(
        passed=found["ttft_p95_s"] <= slo.ttft_p95_s and found["tpot_p95_s"] <= slo.tpot_p95_s,
        metadata={
            "ttft_p95_s": found["ttft_p95_s"],
            "ttft_p95_s_allowed": slo.ttft_p95_s,
            "tpot_p95_s": found["tpot_p95_s"],
            "tpot_p95_s_allowed": slo.tpot_p95_s,
        },
        description=(
            f"With {slo.at_concurrency} requests under way TTFT P95 was {found['ttft_p95_s']:.3f} s and time per "
            f"token P95 {found['tpot_p95_s']:.4f} s."
        ),
    )


@dg.asset_check(
    asset=benchmark_matrix,
    description="The client's counts and mean times agree with the server's own metrics, within the bounds shown.",
)
def client_and_server_agree(benchmark_matrix: Artifact) -> dg.AssetCheckResult:
    rows = read_rows(benchmark_matrix.path, RECONCILIATION)
    apart = [row for row in rows if not row["agrees"]]
    description = (
        f"{len(apart)} of {len(rows)} comparisons disagree."
        if rows
        else "The server publishes no metrics of vLLM's, so nothing could be compared."
    )
    return _warning(bool(rows) and not apart, description, compared=len(rows), disagreements=table(apart))


@dg.asset_check(
    asset=benchmark_matrix,
    description="No cell came near what the load generator itself can do, as calibrated against a null server.",
)
def server_was_the_limit(benchmark_matrix: Artifact) -> dg.AssetCheckResult:
    limited = [str(row["cell"]) for row in read_rows(benchmark_matrix.path) if row["client_limited"]]
    description = f"{len(limited)} cells measured the client as much as the server."
    return _warning(not limited, description, client_limited=", ".join(limited))


@dg.asset_check(
    asset=benchmark_matrix,
    description="In no closed load the workers marched in step, which would show the wait for each other's requests.",
)
def workers_did_not_march(benchmark_matrix: Artifact) -> dg.AssetCheckResult:
    marched = [str(row["cell"]) for row in read_rows(benchmark_matrix.path) if row["marched"]]
    return _warning(not marched, f"{len(marched)} cells were sent in step.", marched=", ".join(marched))


@dg.asset_check(
    asset=benchmark_matrix,
    description=(
        "No cell's median latency is beyond doubt slower, by more than the profile's margin, than in the last "
        "measurement without failures under the same conditions."
    ),
)
def not_slower_than_before(
    context: dg.AssetCheckExecutionContext, benchmark_matrix: Artifact, runtime: dg.ResourceParam[Runtime]
) -> dg.AssetCheckResult:
    from fc_assets.load_test.findings.regression import latency_ratios, slower_cells

    settings = runtime.profile.benchmark
    earlier = _last_comparable(context.instance, runtime.store, benchmark_matrix)
    if earlier is None:
        return dg.AssetCheckResult(
            passed=True, description="There is no earlier measurement under the same conditions to compare with."
        )
    ratios = latency_ratios([benchmark_matrix.path], [earlier], settings.seed)
    worse = slower_cells(ratios, settings.regression_margin)
    return _warning(
        not worse,
        f"{len(worse)} of {len(ratios)} cells are slower by more than {settings.regression_margin:.0%}.",
        earlier=dg.MetadataValue.path(earlier),
        margin=settings.regression_margin,
        ratios=table(
            {"cell": r.cell, "then_s": r.then_s, "now_s": r.now_s, "ratio": r.ratio, "low": r.low, "high": r.high}
            for r in ratios
        ),
    )


def _last_comparable(instance: dg.DagsterInstance, store: ArtifactStore, current: Artifact) -> Path | None:
    """The latest earlier matrix that had no failure and was measured under the same conditions."""
    wanted = read_record(current.path).conditions
    for record in instance.fetch_materializations(benchmark_matrix.key, limit=EARLIER_LOOKED_AT).records:
        if record.asset_materialization is None:
            continue
        digest = record_of(record.asset_materialization).digest
        folder = store.folder(current.asset, digest)
        is_other = digest != current.digest and record.asset_materialization.metadata["error_rate"].value == 0
        if is_other and (folder / MATRIX_RECORD).is_file() and read_record(folder).conditions == wanted:
            return folder
    return None


@dg.asset_check(
    asset=serving_recommendation,
    blocking=True,
    description="At least one measured load kept the SLO, so the recommended settings can.",
)
def slo_is_reachable(serving_recommendation: Artifact) -> dg.AssetCheckResult:
    found = read_recommendation(serving_recommendation.path)
    return dg.AssetCheckResult(
        passed=found.holds,
        metadata={"slo_concurrency": found.slo_concurrency},
        description=f"The SLO held up to {found.slo_concurrency} requests under way.",
    )


def _warning(
    passed: bool, description: str, **metadata: "dg.MetadataValue[Any] | str | int | float"
) -> dg.AssetCheckResult:
    """The result of a check that warns where it does not pass."""
    return dg.AssetCheckResult(
        passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=metadata, description=description
    )


CHECKS = [
    no_request_failed,
    answers_hold_under_load,
    cancelled_requests_free_their_slots,
    slo_is_kept,
    client_and_server_agree,
    server_was_the_limit,
    workers_did_not_march,
    not_slower_than_before,
    slo_is_reachable,
]
