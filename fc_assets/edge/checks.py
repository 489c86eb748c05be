"""Gates on the edge files: are they what their names say, do they answer, and what did quantisation cost?"""

import dagster as dg

from fc_assets.edge.assets import edge_report, gguf_artifacts
from fc_assets.edge.conversion.header import find_differences
from fc_assets.edge.jobs import ConvertResult
from fc_assets.edge.measurement.report import EdgeReport
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.resources import Runtime
from fc_assets.names import PROMOTED_POLICY, REPORT


@dg.asset_check(
    asset=gguf_artifacts,
    blocking=True,
    description=(
        "Every file names the release that it was made from, and every tensor in it has the type that llama.cpp's "
        "rules give it in a file of that name: none fell back to another."
    ),
)
def files_are_what_they_say(gguf_artifacts: Artifact) -> dg.AssetCheckResult:
    release = gguf_artifacts.inputs[PROMOTED_POLICY]
    files = ConvertResult.model_validate(gguf_artifacts.read_json(REPORT)).files
    wrong = find_differences(gguf_artifacts.path, files, release)
    return dg.AssetCheckResult(
        passed=not wrong,
        metadata={"release": release, "wrong": wrong[:50], "wrong_count": len(wrong)},
        description=f"{len(wrong)} differ, the first: {wrong[0]}" if wrong else "All tensors and digests are right.",
    )


@dg.asset_check(
    asset=edge_report,
    blocking=True,
    description=(
        "llama.cpp loaded every file and got answers from it, and cut the prompts into the same token ids as the "
        "checkpoint's own tokenizer."
    ),
)
def files_answer(edge_report: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    least = runtime.profile.edge.min_same_ids
    report = _read(edge_report)
    with_text = report.answers_with_text()
    same_ids = {row.kind: row.same_ids for row in report.rows}
    return dg.AssetCheckResult(
        passed=min(with_text.values()) > 0 and min(same_ids.values()) >= least,
        metadata={"answers_with_text": with_text, "same_ids": dict(same_ids), "least_same_ids": least},
        description=f"Each file gave at least {min(with_text.values())} answers with text; "
        f"{min(same_ids.values()):.1%} of the prompts have the same ids, {least:.1%} are asked for.",
    )


@dg.asset_check(
    asset=edge_report,
    blocking=True,
    description=(
        "No quantised file loses more exact match against F16, on the same rows, than the profile allows, and F16 has "
        "so much to lose."
    ),
)
def quantisation_keeps_quality(edge_report: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    allowed = runtime.profile.gates.max_quantisation_drop
    report = _read(edge_report)
    drop, baseline = report.largest_drop(), report.baseline_exact()
    unseen = f" F16 itself has only {baseline:.3f}, so that no loss could be seen." if baseline <= allowed else ""
    return dg.AssetCheckResult(
        passed=drop <= allowed < baseline,
        metadata={
            "largest_drop": drop,
            "allowed": allowed,
            **{f"{row.kind}_exact_match": row.exact_match for row in report.rows},
        },
        description=f"The largest loss of exact match is {drop:.3f}, {allowed:.3f} is allowed.{unseen}",
    )


@dg.asset_check(
    asset=edge_report,
    description=(
        "A warning: every file's median first token came within gates.max_edge_first_token_s, and its process stayed "
        "below gates.max_edge_rss_gb, on the machine that measured it."
    ),
)
def files_suit_the_edge(edge_report: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    gates, report = runtime.profile.gates, _read(edge_report)
    slowest = max(row.first_token_p50_s for row in report.rows)
    largest = max(row.peak_rss_mb for row in report.rows) / 1e3
    return dg.AssetCheckResult(
        passed=slowest < gates.max_edge_first_token_s and largest < gates.max_edge_rss_gb,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"device": report.device, "first_token_p50_s": slowest, "peak_rss_gb": largest},
        description=f"On {report.device} the slowest file's first token takes {slowest * 1e3:.0f} ms "
        f"({gates.max_edge_first_token_s * 1e3:.0f} ms are wanted), the largest process has {largest:.2f} GB "
        f"({gates.max_edge_rss_gb:g} GB).",
    )


def _read(edge_report: Artifact) -> EdgeReport:
    return EdgeReport.model_validate(edge_report.read_json(REPORT))


CHECKS = [files_are_what_they_say, files_answer, quantisation_keeps_quality, files_suit_the_edge]
