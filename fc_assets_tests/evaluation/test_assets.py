"""The evaluation assets and gates in-process, against an external chat server that knows the answers."""

import json
import platform
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

from fc_assets.evaluation.assets import bfcl_key, predictions_key
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.json_files import read_json
from fc_assets.foundation.resources import build_resources, latest_artifact
from fc_assets.names import CONSTRAINED_TIMINGS, PREDICTIONS, RUN_COST, TIMINGS, VARIANT_MODELS
from fc_assets.profiles import variant_models
from fc_assets_tests.support.evaluation_world import (
    ROWS,
    KnowingServer,
    World,
    bfcl_stand_ins,
    failures,
    fast,
    gates,
    source,
    write_split,
)


def evaluate_all(world: World) -> dg.ExecuteInProcessResult:
    keys = [key for variant in VARIANT_MODELS for key in (predictions_key(variant), bfcl_key(variant))]
    result = world.materialise([key.to_user_string() for key in keys])
    # An external server without /tokenize cannot prove parity: that gate fails, and it says why.
    unproven = {name for name, passed in gates(result).items() if not passed}
    assert unproven == {f"predictions/{variant}: template_parity" for variant in VARIANT_MODELS}
    assert all(map(world.exists, keys))
    return result


@pytest.mark.slow
def test_variants_are_evaluated_compared_and_judged(
    tmp_path: Path, server: tuple[KnowingServer, str], checker: None
) -> None:
    settings = fast(server[1])
    settings["evaluation"]["constrained_rows"] = 10
    unweighted = dict.fromkeys(("schema_hit", "simulated_exec", "semantic_match"), 0.0)
    settings["grpo"] = {"rewards": {"json_parse": 2.0, **unweighted}}
    settings["gates"] = {"min_gain_over_sft": -0.01}  # both are right on every row
    world = World(tmp_path, settings)
    evaluate_all(world)
    result = world.materialise(["eval_report"])
    assert result.success, failures(result)
    assert gates(result) and all(gates(result).values())
    metadata = result.get_asset_materialization_events()[0].materialization.metadata
    assert metadata["exact_match_sft"].value == metadata["parse_rate_grpo"].value == 1.0
    assert metadata["exact_match_base"].value == pytest.approx(1 / 3)
    assert metadata["irrelevance_sft"].value == 1.0
    folder = world.store.home / str(metadata["path"].value)
    assert {"report.md", "report.html", "results.json"} <= {file.name for file in folder.iterdir()}
    assert "Berkeley" in (folder / "report.md").read_text()
    numbers = json.loads((folder / "results.json").read_text())
    assert numbers["reward_weights"] == {"json_parse": 2.0, **unweighted, "hygiene": 0.0, "gated": 0.0}
    assert numbers["variants"]["sft"]["reward"] == 2.0, "a right answer earns the weights that the profile gives"
    decoding = {record["variant"]: record for record in (row.data for row in metadata["decode_modes"].records)}
    assert decoding["base"]["exact_match, constrained"] == decoding["sft"]["exact_match, free"] == 1.0
    assert decoding["base"]["exact_match, free"] < 1.0 and decoding["base"]["rows"] == 10

    world.split = source("sharegpt_val", write_split(ROWS // 2))
    world.materialise(["sharegpt_val"])
    assert "predictions/base answers another sharegpt_val" in failures(world.materialise(["eval_report"]))


def test_one_of_a_variants_two_assets_can_be_redone_alone(tmp_path: Path, server: tuple[KnowingServer, str]) -> None:
    world = World(tmp_path, fast(server[1]))
    result = world.materialise(["predictions/sft"])
    assert not failures(result)
    assert set(gates(result)) == {"predictions/sft: rows_were_answered", "predictions/sft: template_parity"}
    assert world.exists(predictions_key("sft")) and not world.exists(bfcl_key("sft"))
    assert sum(server[0].asked.values()) == ROWS


def test_the_same_answers_have_the_same_digest_and_their_times_lie_beside(
    tmp_path: Path, server: tuple[KnowingServer, str]
) -> None:
    artifacts = []
    for home in (tmp_path / "first", tmp_path / "second"):
        server[0].home = home
        settings = fast(server[1])
        settings["evaluation"]["constrained_rows"] = 10
        world = World(home, settings)
        result = world.materialise(["predictions/sft"])
        artifacts.append(latest_artifact(world.instance, world.store, predictions_key("sft")))
        shown = result.get_asset_materialization_events()[0].materialization.metadata
        assert 0 < shown["latency_p50_s"].value <= shown["latency_p95_s"].value
        (records,) = (home / "records" / "predictions" / "sft" / artifacts[-1].digest[:16]).iterdir()
        times = pq.read_table(records / TIMINGS).to_pylist()
        answers = pq.read_table(artifacts[-1].path / PREDICTIONS).to_pylist()
        assert [row["id"] for row in times] == [row["id"] for row in answers]
        assert all(row["latency_s"] > 0 for row in times)
        assert len(pq.read_table(records / CONSTRAINED_TIMINGS)) == 10
        cost = read_json(records / RUN_COST)
        assert cost["latency_p50_s"] == shown["latency_p50_s"].value and cost["server_start_s"] is None
    first, second = artifacts
    assert first.files == second.files


def test_an_external_server_answers_only_for_the_model_whose_digest_its_name_has(
    tmp_path: Path, server: tuple[KnowingServer, str]
) -> None:
    """It serves one model. That one is not base, whatever is asked of it."""
    known, url = server
    known.variants = ("sft",)
    world = World(tmp_path, fast(url))
    assert not failures(world.materialise(["predictions/sft"]))
    sft = latest_artifact(world.instance, world.store, predictions_key("sft"))
    served = f"sft-{sft.inputs['merged_model'][:16]}"
    record = sft.read_json("server.json")
    assert (record["model_digest"], record["claim"]) == ("", f"external, claimed by name: {served}")
    assert record["settings"] == {"engine": "external server"}, "the profile's are of servers that are started here"

    said = failures(world.materialise(["predictions/base", "bfcl_scores/base"]))
    digest = latest_artifact(world.instance, world.store, dg.AssetKey("base_model")).digest[:16]
    assert f"serves {served}, and nothing says that one of them is base {digest}" in said
    assert f"start it with --served-model-name base-{digest}, or empty server.api_url" in said
    assert not world.exists(predictions_key("base")) and not world.exists(bfcl_key("base"))


def test_a_failure_of_bfcl_leaves_the_predictions(tmp_path: Path, server: tuple[KnowingServer, str]) -> None:
    settings = fast(server[1])
    settings["bfcl"]["python"] = str(tmp_path / "nowhere")
    world = World(tmp_path, settings)
    result = world.materialise(["predictions/sft", "bfcl_scores/sft"])
    assert "The BFCL checker's environment is missing" in failures(result)
    assert world.exists(predictions_key("sft")) and not world.exists(bfcl_key("sft"))


def test_a_server_that_dies_fails_the_step_and_no_row_is_asked_twice(
    tmp_path: Path, server: tuple[KnowingServer, str]
) -> None:
    known, url = server
    known.answers_left = 25
    world = World(tmp_path, fast(url))
    result = world.materialise(["predictions/grpo"])
    assert "stayed without an answer" in failures(result) and "the card is gone" in failures(result)
    assert not world.exists(predictions_key("grpo"))
    assert not any((tmp_path / "staging").iterdir()), "nothing half-written stays"

    known.answers_left = 10**9
    world.materialise(["predictions/grpo"])
    assert world.exists(predictions_key("grpo"))
    assert known.asked and set(known.asked.values()) == {1}
    assert sum(known.asked.values()) == ROWS
    assert not any((tmp_path / "resume").rglob("*.jsonl")), "the log goes once the answers are published"


def test_a_gate_does_not_judge_what_was_made_from_other_data(tmp_path: Path, server: tuple[KnowingServer, str]) -> None:
    world = World(tmp_path, fast(server[1]))
    world.materialise(["predictions/sft"])
    gate = dg.AssetCheckKey(predictions_key("sft"), "rows_were_answered")
    assert world.judge(gate).success
    data = world.profile.data.model_copy(update={"rows": world.profile.data.rows + 1})
    world.resources = build_resources(world.profile.model_copy(update={"data": data}), tmp_path)
    result = world.judge(gate)
    assert not result.success and not gates(result)
    assert "predictions/sft was made by profile demo with other settings" in failures(result)
    assert "data.rows is" in failures(result)


def test_a_missing_upstream_is_named(tmp_path: Path, server: tuple[KnowingServer, str]) -> None:
    world = World(tmp_path, fast(server[1]))
    result = world.materialise(["eval_report"])
    assert "has not been materialised yet" in failures(result)


def expect_pages_that_say_where_they_come_from(world: World, report: Artifact) -> None:
    """The artefact's without date, or the same work would have another digest a minute later; the run's with it."""
    (of_run,) = (world.store.home / "records" / "eval_report" / report.digest[:16]).glob("*/report.html")
    page, dated = (report.path / "report.html").read_text(), of_run.read_text()
    for text in (page, dated):
        assert "<dd>demo</dd>" in text and 'id="demo"' in text
        for asset in ("predictions/sft", "bfcl_scores/sft"):
            assert f"{asset} {report.inputs[asset][:16]}" in text
    assert " UTC</dd>" in dated and platform.node() in dated
    assert " UTC</dd>" not in page and "among the run&#39;s records" in page


def test_an_arm_is_asked_and_compared_beside_the_others(tmp_path: Path, server: tuple[KnowingServer, str]) -> None:
    known, url = server
    known.variants, known.wrong_on_thirds = (*VARIANT_MODELS, "dpo"), {"base", "dpo"}
    world = World(tmp_path, {**fast(url), "dpo": {"enabled": True}})
    variants = [*variant_models(world.profile)]
    assert not failures(world.materialise([f"predictions/{variant}" for variant in variants]))
    assert dg.materialize(bfcl_stand_ins(world.profile), resources=world.resources, instance=world.instance).success

    result = world.materialise(["eval_report"])
    assert not failures(result)
    shown = result.get_asset_materialization_events()[0].materialization.metadata
    columns = [column.name for column in shown["comparison"].schema.columns]
    assert columns == ["metric", "Base", "SFT", "SFT+GRPO", "SFT+DPO"]
    assert shown["exact_match_dpo"].value == pytest.approx(1 / 3)
    report = latest_artifact(world.instance, world.store, dg.AssetKey("eval_report"))
    assert {"predictions/dpo", "bfcl_scores/dpo"} < set(report.inputs)
    assert "SFT to SFT+DPO" in (report.path / "report.md").read_text()
    expect_pages_that_say_where_they_come_from(world, report)
    red = {found.check_name: found.severity for found in result.get_asset_check_evaluations() if not found.passed}
    assert {"dpo_parse_rate", "dpo_is_not_worse_than_sft"} <= set(red), "it is as bad as base"
    assert set(red.values()) == {dg.AssetCheckSeverity.WARN}
