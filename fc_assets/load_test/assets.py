"""The serving assets: the load test of the promoted policy, and the settings it recommends."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import dagster as dg

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.gpu import GPU_OP_TAGS, GPU_POOL
from fc_assets.foundation.metadata import picture_file, table
from fc_assets.foundation.resources import Runtime
from fc_assets.load_test.matrix.comparability import conditions
from fc_assets.load_test.matrix.tables import ABOUT, RECONCILIATION, read_rows
from fc_assets.load_test.recommendation import recommend
from fc_assets.profiles import BenchmarkSettings, ServiceLevel

GROUP = "serving"
VALIDATION_FILE = "sharegpt_val.json"
SERVED_NAME = "policy"
RECOMMENDATION_FILE = "recommendation.json"

OVERDUE = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26))
"""The refresh is nightly: a day and a half without one means that it was missed or switched off."""


@dg.asset(
    group_name=GROUP,
    kinds={"vllm"},
    owners=OWNERS,
    code_version=code_version("fc_assets.load_test.matrix.matrix_job"),
    pool=GPU_POOL,
    op_tags=GPU_OP_TAGS,
    freshness_policy=OVERDUE,
    description=(
        "The promoted policy under load: a real vLLM server is started and asked with exact prompt lengths at several "
        "levels of concurrency, at Poisson rates, and with tool-call conversations. Holds latency percentiles with "
        "intervals, throughput, goodput under the SLO, what the server itself counted, and every single request."
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
        resume = runtime.store.resume_folder(context.asset_key.to_user_string(), _identity(runtime, inputs))
        job = {
            **_server_job(context, runtime, promoted_policy),
            "split": sharegpt_val.path / VALIDATION_FILE,
            "resume": resume,
            "out": step.out,
        }
        done = runtime.run_module(context, "fc_assets.load_test.matrix.matrix_job", job, step.scratch)
        metadata = {**_describe_matrix(step.out, settings), "server_start_s": done["server_start_s"]}
        result = step.publish(inputs, metadata)
        shutil.rmtree(resume)
        return result


@dg.asset(
    group_name=GROUP,
    kinds={"vllm"},
    owners=OWNERS,
    code_version=code_version("fc_assets.load_test.recommendation", "fc_assets.load_test.matrix.sweep_job"),
    pool=GPU_POOL,
    op_tags=GPU_OP_TAGS,
    description=(
        "The vLLM settings to run the policy with for the profile's SLO, and the measurements behind them: the load up "
        "to which the SLO held, the knee of the latency-throughput curve, and in the full mode a sweep over "
        "max_num_seqs and max_num_batched_tokens, each tried on a server of its own."
    ),
)
def serving_recommendation(
    context: dg.AssetExecutionContext,
    runtime: dg.ResourceParam[Runtime],
    promoted_policy: Artifact,
    benchmark_matrix: Artifact,
) -> dg.MaterializeResult[Artifact]:
    profile, inputs = runtime.profile, [promoted_policy, benchmark_matrix]
    with runtime.step(context) as step:
        if benchmark_matrix.inputs.get("promoted_policy") != promoted_policy.digest:
            raise FcAssetsError(
                "benchmark_matrix measured another release than the promoted one; materialise benchmark_matrix first"
            )
        sweep: Sequence[Mapping[str, object]] = []
        if profile.benchmark.mode == "full":
            resume = runtime.store.resume_folder(context.asset_key.to_user_string(), _identity(runtime, inputs))
            job = {**_server_job(context, runtime, promoted_policy), "resume": resume}
            sweep = runtime.run_module(context, "fc_assets.load_test.matrix.sweep_job", job, step.scratch)["rows"]
        found = recommend(read_rows(benchmark_matrix.path), sweep, profile.server, profile.benchmark.slo)
        settings = {name: getattr(found, name) for name in ("max_num_seqs", "max_num_batched_tokens", "max_model_len")}
        report = {"settings": settings, "slo": profile.benchmark.slo.model_dump(), **asdict(found), "sweep": sweep}
        (step.out / RECOMMENDATION_FILE).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        result = step.publish(
            inputs,
            {
                "settings": table([{"setting": name, "value": value} for name, value in settings.items()]),
                "reasons": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in found.reasons)),
                "flags": " ".join(found.flags),
                "curve": picture_file(benchmark_matrix.path / "latency-throughput.png", "latency against throughput"),
                "slo_concurrency": found.slo_concurrency,
                "max_num_seqs": found.max_num_seqs,
                "max_num_batched_tokens": found.max_num_batched_tokens,
            },
        )
        if sweep:
            shutil.rmtree(resume)
        return result


def _identity(runtime: Runtime, inputs: Sequence[Artifact]) -> dict[str, object]:
    profile = runtime.profile
    return {
        "inputs": {artifact.asset: artifact.digest for artifact in inputs},
        **conditions(profile.server, profile.benchmark),
    }


def _server_job(context: dg.AssetExecutionContext, runtime: Runtime, release: Artifact) -> dict[str, object]:
    return {
        "model": release.path / "model",
        "name": SERVED_NAME,
        "model_digest": release.digest,
        "server": runtime.profile.server.model_dump(),
        "benchmark": runtime.profile.benchmark.model_dump(),
        "server_log": runtime.log_file(context, f"{context.asset_key.to_user_string()}-vllm"),
    }


def _describe_matrix(out: Path, settings: BenchmarkSettings) -> dict[str, object]:
    rows = read_rows(out)
    about = json.loads((out / ABOUT).read_text(encoding="utf-8"))
    return {
        "cells": table(map(headline, rows)),
        "curves": picture_file(out / "curves.png", "TTFT P95 and throughput over concurrency"),
        "latency_throughput": picture_file(out / "latency-throughput.png", "latency against throughput"),
        "heat_map": picture_file(out / "heat-map.png", "TTFT P95 over concurrency and context length"),
        **at_slo(rows, settings.slo),
        "mode": settings.mode,
        "vllm": about["server"]["version"],
        "calibration": table([about["calibration"]]),
        "reconciliation": table(read_rows(out, RECONCILIATION)),
    }


def headline(row: Mapping[str, object]) -> dict[str, object]:
    """One cell as the page shows it: times in milliseconds, three digits are enough."""
    milliseconds = {
        "TTFT P50 ms": "ttft_p50_s",
        "TTFT P95 ms": "ttft_p95_s",
        "TPOT P95 ms": "tpot_p95_s",
        "E2E P50 ms": "e2e_p50_s",
        "E2E P95 ms": "e2e_p95_s",
    }
    rates = {
        "requests/s": "requests_per_s",
        "output tokens/s": "output_tokens_per_s",
        "goodput/s": "goodput_per_s",
        "tool-call goodput/s": "tool_call_goodput_per_s",
    }
    return {
        "cell": row["cell"],
        **{title: round(float(row[name]) * 1e3, 1) for title, name in milliseconds.items()},
        **{title: round(float(row[name]), 1) for title, name in rates.items() if row.get(name) is not None},
        "failed": round(float(row["error_rate"]), 4),
        "client-limited": bool(row["client_limited"]),
    }


def at_slo(rows: Sequence[Mapping[str, object]], slo: ServiceLevel) -> dict[str, float]:
    """The headline numbers: the worst latencies at the SLO's concurrency, the best throughput, the errors."""
    closed = [row for row in rows if row["kind"] == "closed"]
    promised = [row for row in closed if row["concurrency"] == slo.at_concurrency]
    numbers = {
        "output_tokens_per_s": max(float(row["output_tokens_per_s"]) for row in closed),
        "goodput_per_s": max(float(row["goodput_per_s"]) for row in closed),
        "error_rate": max(float(row["error_rate"]) for row in rows),
    }
    if promised:
        numbers["ttft_p95_s"] = max(float(row["ttft_p95_s"]) for row in promised)
        numbers["tpot_p95_s"] = max(float(row["tpot_p95_s"]) for row in promised)
    return numbers


ASSETS = [benchmark_matrix, serving_recommendation]
