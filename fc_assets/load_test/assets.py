"""The load test of the promoted policy, and the settings it recommends: assets of the group `serving`.

What is measured is in `matrix`, what follows from it in `findings`; here both are run and shown.
"""

import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import dagster as dg

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import ON_THE_GPU, OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.metadata import picture_file, table
from fc_assets.foundation.resources import Runtime
from fc_assets.load_test.capacity.probes import read_capacities
from fc_assets.load_test.findings.headline import at_slo, headline
from fc_assets.load_test.findings.recommendation import Recommendation, recommend, write_recommendation
from fc_assets.load_test.findings.sweep import SWEPT
from fc_assets.load_test.jobs import MatrixJob, ReleaseUnderTest, SweepJob
from fc_assets.load_test.matrix.comparability import measurement_conditions
from fc_assets.load_test.matrix.tables import Rows, read_record, read_rows
from fc_assets.names import (
    BENCHMARK_MATRIX,
    CAPACITY_PLOT,
    CURVES_PLOT,
    HEAT_MAP_PLOT,
    LATENCY_THROUGHPUT_PLOT,
    MODEL_FOLDER,
    PROMOTED_POLICY,
    RECONCILIATION,
    REPORT_HTML,
    SHAREGPT_VAL,
    split_file,
)
from fc_assets.profiles import BenchmarkSettings, Profile

GROUP = "serving"
SERVED_NAME = "policy"

OVERDUE = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26))
"""With nightly refreshes, a day and a half without one means that one was missed."""


@dg.asset(
    group_name=GROUP,
    kinds={"vllm"},
    owners=OWNERS,
    **ON_THE_GPU,
    code_version=code_version("fc_assets.load_test.matrix_job"),
    description=(
        "The promoted policy under load: a real vLLM server is started and asked with exact prompt lengths at several "
        "levels of concurrency, at Poisson rates, and with tool-call conversations. Holds latency percentiles with "
        "intervals, throughput, goodput under the SLO, what the server itself counted, and every single request. "
        "It is a measurement: made again, it has other numbers and another digest."
    ),
)
def benchmark_matrix(
    context: dg.AssetExecutionContext,
    runtime: dg.ResourceParam[Runtime],
    promoted_policy: Artifact,
    sharegpt_val: Artifact,
) -> dg.MaterializeResult[Artifact]:
    settings, inputs = runtime.profile.benchmark, [promoted_policy, sharegpt_val]
    with runtime.step(context) as step:
        job = MatrixJob(
            release=_under_test(context, runtime, promoted_policy),
            benchmark=settings,
            split=sharegpt_val.path / split_file(SHAREGPT_VAL),
            resume=_resume_folder(context, runtime, inputs),
            out=step.out,
        )
        done = runtime.run_job(context, job, step.scratch)
        metadata = {**_describe_matrix(step.out, settings), "server_start_s": done.server_start_s}
        result = step.publish(inputs, metadata)
        shutil.rmtree(job.resume)
        return result


@dg.asset(
    group_name=GROUP,
    kinds={"vllm"},
    owners=OWNERS,
    **ON_THE_GPU,
    code_version=code_version("fc_assets.load_test.findings.recommendation", "fc_assets.load_test.sweep_job"),
    description=(
        "The vLLM settings to run the policy with for the profile's SLO, and the measurements behind them: the highest "
        "load that met the SLO, the knee of the latency-throughput curve, and in the full mode a sweep over "
        "max_num_seqs and max_num_batched_tokens, then prefix caching and n-gram speculation, each tried on a server "
        "of its own, with its tool calls judged beside its speed. "
        "It follows from a measurement: made again, it may differ."
    ),
)
def serving_recommendation(
    context: dg.AssetExecutionContext,
    runtime: dg.ResourceParam[Runtime],
    promoted_policy: Artifact,
    sharegpt_val: Artifact,
    benchmark_matrix: Artifact,
) -> dg.MaterializeResult[Artifact]:
    settings, inputs = runtime.profile.benchmark, [promoted_policy, sharegpt_val, benchmark_matrix]
    with runtime.step(context) as step:
        if benchmark_matrix.inputs.get(PROMOTED_POLICY) != promoted_policy.digest:
            raise FcAssetsError(
                f"{BENCHMARK_MATRIX} measured another release than the promoted one; "
                f"materialise {BENCHMARK_MATRIX} first"
            )
        sweep, resume = [], None
        if settings.mode == "full":
            resume = _resume_folder(context, runtime, inputs)
            release = _under_test(context, runtime, promoted_policy)
            split = sharegpt_val.path / split_file(SHAREGPT_VAL)
            job = SweepJob(release=release, benchmark=settings, split=split, resume=resume)
            sweep = runtime.run_job(context, job, step.scratch).rows
        found = recommend(
            read_rows(benchmark_matrix.path),
            sweep,
            runtime.profile.server,
            settings.slo,
            read_capacities(benchmark_matrix.path),
        )
        write_recommendation(found, settings.slo, sweep, step.out)
        result = step.publish(inputs, _describe_recommendation(found, sweep, benchmark_matrix))
        if resume:
            shutil.rmtree(resume)
        return result


_SWEEP_SHOWN = (
    *SWEPT, "goodput_per_s", "ttft_p95_s", "tpot_p95_s", "output_tokens_per_s", "tool_calls_per_s", "valid_call_share",
    "as_idle_share", "sessions_ttft_p50_s", "sessions_prefix_cache_hit_rate",
)  # fmt: skip


def _under_test(context: dg.AssetExecutionContext, runtime: Runtime, release: Artifact) -> ReleaseUnderTest:
    return ReleaseUnderTest(
        checkpoint=release.path / MODEL_FOLDER,
        served_name=SERVED_NAME,
        digest=release.digest,
        server=runtime.profile.server,
        server_log=runtime.log_file(context, f"{context.asset_key.to_user_string()}-vllm"),
    )


def _resume_folder(context: dg.AssetExecutionContext, runtime: Runtime, inputs: Sequence[Artifact]) -> Path:
    """Where an interrupted run left its finished cells, if it measured the same inputs under the same conditions."""
    conditions = measurement_conditions(runtime.profile.server, runtime.profile.benchmark)
    identity = {"inputs": {artifact.asset: artifact.digest for artifact in inputs}, **conditions}
    return runtime.store.resume_folder(context.asset_key.to_user_string(), identity)


def _describe_matrix(out: Path, settings: BenchmarkSettings) -> dict[str, object]:
    rows, record = read_rows(out), read_record(out)
    return {
        "cells": table(map(headline, rows)),
        "curves": picture_file(out / CURVES_PLOT, "TTFT P95 and throughput over concurrency"),
        "latency_throughput": picture_file(out / LATENCY_THROUGHPUT_PLOT, "latency against throughput"),
        "heat_map": picture_file(out / HEAT_MAP_PLOT, "TTFT P95 over concurrency and context length"),
        **at_slo(rows, settings.slo),
        "mode": settings.mode,
        "vllm": record.server["version"],
        "measured": record.server["claim"] or record.server["model_digest"],
        "calibration": table([record.calibration]),
        "report": REPORT_HTML,
        "reconciliation": table(read_rows(out, RECONCILIATION)),
        **_describe_capacities(out),
    }


def _describe_capacities(out: Path) -> dict[str, object]:
    found = read_capacities(out)
    if found is None:
        return {}
    searches = [each for each in (found.closed, found.open) if each]
    return {
        "capacity": "; ".join(each.describe() for each in searches),
        "capacity_curve": picture_file(out / CAPACITY_PLOT, "share of requests that kept the SLO over the load"),
        **{f"{each.kind}_capacity": each.level for each in searches},
    }


def _describe_recommendation(found: Recommendation, sweep: Rows, matrix: Artifact) -> dict[str, object]:
    settings = found.settings.model_dump()
    return {
        "settings": table([{"setting": name, "value": value} for name, value in settings.items()]),
        **({"sweep": table({name: row.get(name) for name in _SWEEP_SHOWN} for row in sweep)} if sweep else {}),
        "reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in found.reasons)),
        "flags": " ".join(found.flags),
        "curve": picture_file(matrix.path / LATENCY_THROUGHPUT_PLOT, "latency against throughput"),
        "slo_concurrency": found.slo_concurrency,
        "max_num_seqs": found.max_num_seqs,
        "max_num_batched_tokens": found.max_num_batched_tokens,
    }


def assets(profile: Profile) -> list[dg.AssetsDefinition]:
    """The room's assets. By the clock the matrix is overdue only where the profile turns its schedules on."""
    policy = OVERDUE if profile.benchmark.schedules_on else None
    matrix = benchmark_matrix.map_asset_specs(lambda spec: spec.replace_attributes(freshness_policy=policy))
    return [matrix, serving_recommendation]
