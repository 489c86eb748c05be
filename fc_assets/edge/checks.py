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
        "On as many rows as the report has, no quantised file can have lost more exact match against F16 than the "
        "profile allows, and F16 has so much to lose. The upper end of the loss's interval counts: too few rows are no "
        "proof."
    ),
)
def quantisation_keeps_quality(edge_report: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    allowed = runtime.profile.gates.max_quantisation_loss
    report = _read(edge_report)
    baseline, quantised = report.baseline_exact(), report.quantised()
    lost = [row.kind for row in quantised if row.loss_at_most > allowed.of(row.kind)]
    unseen = [row.kind for row in quantised if baseline <= allowed.of(row.kind)]
    said = "; ".join(
        f"{row.kind} lost {row.loss:.3f}, at most {row.loss_at_most:.3f} ({allowed.of(row.kind):g} allowed)"
        for row in quantised
    )
    nothing = f" F16 itself has only {baseline:.3f}, so that no loss could be seen." if unseen else ""
    return dg.AssetCheckResult(
        passed=not lost and not unseen,
        metadata={
            "rows": quantised[0].rows,
            "F16_exact_match": baseline,
            **{f"{row.kind}_loss": row.loss for row in quantised},
            **{f"{row.kind}_loss_at_most": row.loss_at_most for row in quantised},
            **{f"{row.kind}_allowed": allowed.of(row.kind) for row in quantised},
            **{f"{row.kind}_detectable": row.detectable for row in quantised if row.detectable is not None},
        },
        description=f"On {quantised[0].rows} rows {said}.{nothing}",
    )


@dg.asset_check(
    asset=edge_report,
    blocking=True,
    description="The process that runs each file stayed below gates.max_edge_rss_gb.",
)
def files_fit_in_memory(edge_report: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    allowed, report = runtime.profile.gates.max_edge_rss_gb, _read(edge_report)
    largest = max(report.rows, key=lambda row: row.peak_rss_mb)
    return dg.AssetCheckResult(
        passed=largest.peak_rss_mb / 1e3 < allowed,
        metadata={"largest": largest.kind, "peak_rss_gb": largest.peak_rss_mb / 1e3, "allowed_gb": allowed},
        description=f"{largest.kind} took the most, {largest.peak_rss_mb / 1e3:.2f} GB; {allowed:g} GB are allowed.",
    )


@dg.asset_check(
    asset=edge_report,
    description=(
        "A warning: every file's median first token came within gates.max_edge_first_token_s on the machine that "
        "measured it, which is named."
    ),
)
def files_answer_at_once(edge_report: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    allowed, report = runtime.profile.gates.max_edge_first_token_s, _read(edge_report)
    slowest = max(report.rows, key=lambda row: row.first_token_p50_s)
    return dg.AssetCheckResult(
        passed=slowest.first_token_p50_s < allowed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"device": report.device, "slowest": slowest.kind, "first_token_p50_s": slowest.first_token_p50_s},
        description=f"On {report.device} the first token of {slowest.kind} takes {slowest.first_token_p50_s * 1e3:.0f} "
        f"ms, {allowed * 1e3:.0f} ms are wanted.",
    )


def _read(edge_report: Artifact) -> EdgeReport:
    return EdgeReport.model_validate(edge_report.read_json(REPORT))


CHECKS = [
    files_are_what_they_say,
    files_answer,
    quantisation_keeps_quality,
    files_fit_in_memory,
    files_answer_at_once,
]
