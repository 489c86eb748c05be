"""Both assets and their gates on a real instance: real files, real llama.cpp, a random checkpoint as the release."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fc_assets.edge.assets import ASSETS, edge_report, gguf_artifacts
from fc_assets.edge.checks import CHECKS
from fc_assets.edge.jobs import FileMeasurement
from fc_assets.edge.measurement.report import EdgeReport, EdgeReportRow
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.json_files import write_json
from fc_assets.foundation.resources import Runtime, build_resources, latest_artifact
from fc_assets.names import REPORT
from fc_assets.profiles import load_profile
from fc_assets_tests.edge.conftest import write_checkpoint, write_split
from fc_assets_tests.support.checks import judge

PROFILE = load_profile("demo").model_copy(
    update={"edge": load_profile("demo").edge.model_copy(update={"rows": 3, "max_tokens": 8, "context": 512})}
)


def _upstream(checkpoint: Path) -> list[dg.AssetsDefinition]:
    @dg.asset
    def promoted_policy(
        context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]
    ) -> dg.MaterializeResult[Artifact]:
        with runtime.step(context) as step:
            shutil.copytree(checkpoint, step.out / "model")
            return step.publish([], {})

    @dg.asset
    def sharegpt_val(
        context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]
    ) -> dg.MaterializeResult[Artifact]:
        with runtime.step(context) as step:
            write_split(step.out / "sharegpt_val.json", 6)
            return step.publish([], {})

    return [promoted_policy, sharegpt_val]


def _materialise(checkpoint: Path, home: Path) -> tuple[dg.DagsterInstance, dg.ExecuteInProcessResult]:
    instance = dg.DagsterInstance.ephemeral()
    result = dg.materialize(
        [*_upstream(checkpoint), *ASSETS, *CHECKS],
        resources=build_resources(PROFILE, home),
        instance=instance,
        raise_on_error=False,
    )
    return instance, result


@pytest.mark.sees_red("quantisation_keeps_quality")
def test_files_and_report_are_published_and_a_random_model_has_no_quality_to_keep(
    checkpoint_folder: Path, tmp_path: Path
) -> None:
    """It gets nothing right, in F16 and quantised: 0 against 0 is no quality kept."""
    instance, result = _materialise(checkpoint_folder, tmp_path)
    evaluations = {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}
    red = {name for name, evaluation in evaluations.items() if not evaluation.passed}
    assert set(evaluations) == {
        "files_are_what_they_say",
        "files_answer",
        "quantisation_keeps_quality",
        "files_fit_in_memory",
        "files_answer_at_once",
    }
    assert red == {"quantisation_keeps_quality"}
    assert {name for name, evaluation in evaluations.items() if not evaluation.blocking} == {"files_answer_at_once"}
    assert "F16 itself has only 0.000" in evaluations["quantisation_keeps_quality"].description
    said = evaluations["files_answer_at_once"].description
    assert said.startswith("On ") and f"{PROFILE.edge.threads} threads" in said

    store = ArtifactStore(tmp_path)
    files = latest_artifact(instance, store, gguf_artifacts.key)
    assert set(files.files) == {
        "policy-F16.gguf",
        "policy-Q8_0.gguf",
        "policy-Q4_K_M.gguf",
        "Modelfile",
        "README.md",
        "report.json",
        "tokenizer/chat_template.jinja",
        "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json",
    }
    release = latest_artifact(instance, store, dg.AssetKey("promoted_policy"))
    assert release.digest in (files.path / "README.md").read_text(encoding="utf-8")

    report = latest_artifact(instance, store, edge_report.key).read_json(REPORT)
    assert [row["kind"] for row in report["rows"]] == ["F16", "Q8_0", "Q4_K_M"]
    assert all(row["rows"] == 3 and row["same_ids"] == row["same_prompts"] == 1.0 for row in report["rows"])
    metadata = instance.get_latest_materialization_event(edge_report.key).asset_materialization.metadata
    assert {"files", "quality_and_latency", "Q4_K_M_mb", "Q4_K_M_exact_match"} <= set(metadata)


ROW = EdgeReportRow(
    kind="F16",
    mb=1,
    bits_per_weight=16,
    load_s=0.1,
    peak_rss_mb=900.0,
    first_token_p50_s=0.02,
    first_token_p95_s=0.03,
    prompt_tokens_per_second=900,
    tokens_per_second=50,
    rows=700,
    parse_rate=1,
    exact_match=0.8,
    exact_low=0.7,
    exact_high=0.9,
    constrained_exact_match=0.8,
    loss=0.0,
    loss_at_most=0.004,
    only_baseline=0,
    only_this=0,
    p_value=1.0,
    detectable=None,
    kl=0.001,
    top_1_agreement=0.99,
    same_as_baseline=1,
    same_ids=1,
    same_prompts=1,
)


@pytest.mark.sees_red("files_answer", "quantisation_keeps_quality", "files_fit_in_memory", "files_answer_at_once")
@pytest.mark.parametrize(
    ("change", "text", "wanted"),
    [
        ({}, "an answer", set()),
        ({}, "", {"files_answer"}),
        ({"same_ids": 0.5}, "an answer", {"files_answer"}),
        ({"loss": 0.02, "loss_at_most": 0.025}, "an answer", {"quantisation_keeps_quality"}),
        ({"loss": 0.0, "loss_at_most": 0.04}, "an answer", {"quantisation_keeps_quality"}),
        ({"loss": 0.02, "loss_at_most": 0.025, "kind": "Q4_K_M"}, "an answer", set()),
        ({"loss": 0.02, "loss_at_most": 0.035, "kind": "Q4_K_M"}, "an answer", {"quantisation_keeps_quality"}),
        ({"first_token_p50_s": 0.2}, "an answer", {"files_answer_at_once"}),
        ({"peak_rss_mb": 4100.0}, "an answer", {"files_fit_in_memory"}),
    ],
    ids=[
        "healthy",
        "silence",
        "another tokenizer",
        "worse when quantised",
        "too few rows to tell",
        "Q4_K_M may lose more",
        "but not so much",
        "slow",
        "large",
    ],
)
def test_each_gate_on_the_report_sees_what_it_is_for(
    change: dict[str, Any], text: str, wanted: set[str], tmp_path: Path
) -> None:
    answer = {"text": text, "prompt_tokens": 1, "output_tokens": 1, "first_token_s": 1, "seconds": 1}
    flags = {"finish_reason": "stop", "id": "r", "same_ids": True, "same_prompt": True, "constrained": ""}
    measured = FileMeasurement.model_validate({"load_s": 1, "peak_rss_mb": 1, "answers": [answer | flags]})
    quantised = replace(ROW, **{"kind": "Q8_0", **change})
    report = EdgeReport(device="a board", rows=[ROW, quantised], too_long=0, asked={"F16": measured, "Q8_0": measured})
    checks = [each for each in CHECKS if _judges(each, edge_report.key)]
    profile = load_profile("gpu-12gb")
    found = judge(
        checks, "edge_report", lambda out: write_json(out / REPORT, report.model_dump(mode="json")), tmp_path, profile
    )
    assert {name for name, evaluation in found.items() if not evaluation.passed} == wanted
    assert str(found["files_answer_at_once"].description).startswith("On a board the first token of ")


def _judges(check: dg.AssetChecksDefinition, asset: dg.AssetKey) -> bool:
    return all(spec.asset_key == asset for spec in check.check_specs)


@pytest.mark.sees_red("files_are_what_they_say")
def test_fallbacks_stop_the_chain_before_the_report(tokenizer_folder: Path, tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "checkpoint", tokenizer_folder, hidden=192, intermediate=416)
    instance, result = _materialise(checkpoint, tmp_path / "home")
    assert not result.success
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert "Q5_0, not Q4_K" in json.dumps(evaluation.metadata["wrong"].value)
    assert instance.get_latest_materialization_event(edge_report.key) is None


def test_an_unreadable_tokenizer_fails_in_one_sentence(checkpoint_folder: Path, tmp_path: Path) -> None:
    checkpoint = shutil.copytree(checkpoint_folder, tmp_path / "checkpoint")
    tokenizer = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["normalizer"] = {"type": "Lowercase"}
    (checkpoint / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    _, result = _materialise(checkpoint, tmp_path / "home")
    (failure,) = [event for event in result.get_step_failure_events() if "gguf" in event.step_key]
    message = failure.step_failure_data.user_failure_data.description
    assert message.startswith("gguf_artifacts: ")
    assert "normalizer is Lowercase" in message
