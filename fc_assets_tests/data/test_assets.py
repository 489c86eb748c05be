"""The data assets and their gates on a real instance."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fc_assets.data.assets import ASSETS, sharegpt_splits, xlam_raw
from fc_assets.data.checks import CHECKS, examples_are_well_formed, few_rejects, no_bfcl_question_in_train
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.json_files import write_json
from fc_assets.foundation.resources import build_resources, latest_artifact
from fc_assets.names import (
    EXAMPLES,
    MANIFEST,
    REJECTS,
    REPORT,
    SHAREGPT_TRAIN,
    SHAREGPT_VAL,
    SUMMARY,
    XLAM_RAW,
    split_file,
)
from fc_assets.profiles import Profile, load_profile, parse_profile
from fc_assets_tests.support.checks import judge


def _profile(checkpoint: Path, **data: object) -> Profile:
    values = load_profile("demo").model_dump()
    values["data"].update({"rows": 400, "broken_rows": 2, **data})
    values["base_model"].update({"source": "folder", "path": str(checkpoint)})
    values["server"]["max_model_len"] = 4096
    return parse_profile(values, "test")


def _run(profile: Profile, home: Path, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    resources = build_resources(profile, home)
    return dg.materialize([*ASSETS, *CHECKS], resources=resources, instance=instance, raise_on_error=False)


def _verdicts(result: dg.ExecuteInProcessResult) -> Mapping[str, bool]:
    return {name: each.passed for name, each in _by_name(result).items()}


def _by_name(result: dg.ExecuteInProcessResult) -> Mapping[str, dg.AssetCheckEvaluation]:
    return {
        f"{each.asset_key.to_user_string()}.{each.check_name}": each for each in result.get_asset_check_evaluations()
    }


@dataclass(frozen=True)
class Stage:
    """The whole stage, materialised once for the tests of this module."""

    profile: Profile
    home: Path
    instance: dg.DagsterInstance
    result: dg.ExecuteInProcessResult

    def latest(self, name: str) -> Artifact:
        return latest_artifact(self.instance, ArtifactStore(self.home), dg.AssetKey(name))


@pytest.fixture(scope="module")
def stage(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    home, instance, profile = tmp_path_factory.mktemp("home"), dg.DagsterInstance.ephemeral(), _profile(checkpoint)
    return Stage(profile, home, instance, _run(profile, home, instance))


def test_the_stage_passes_its_gates(stage: Stage):
    assert stage.result.success
    verdicts = _verdicts(stage.result)
    assert len(verdicts) == len(CHECKS)
    assert all(passed for name, passed in verdicts.items() if "bfcl" not in name)
    raw, train, validation = (stage.latest(name) for name in (XLAM_RAW, SHAREGPT_TRAIN, SHAREGPT_VAL))
    assert set(raw.files) == {"examples.parquet", "rejects.jsonl", "summary.json"}
    assert set(train.files) == {"sharegpt_train.json", "dataset_info.json", "dropped.jsonl", "report.json"}
    assert set(validation.files) == {"sharegpt_val.json", "dataset_info.json", "report.json"}
    assert train.inputs == validation.inputs == {XLAM_RAW: raw.digest}


def test_what_the_page_shows(stage: Stage):
    def shown(name: str) -> Mapping[str, dg.MetadataValue]:
        return stage.instance.get_latest_materialization_event(dg.AssetKey(name)).asset_materialization.metadata

    raw = shown(XLAM_RAW)
    assert raw["rejected"].value == 2
    assert [row.data for row in raw["rows_by_source"].records] == [{"source": "generator", "rows": 400}]
    assert sum(row.data["rows"] for row in raw["rejects_by_reason"].records) == 2
    assert len(shown(XLAM_RAW)["sample"].records) == 10
    train = shown(SHAREGPT_TRAIN)
    assert train["picture"].value.startswith("![token lengths")
    assert len(train["sample"].records) == 10
    assert train["rows"].value + shown(SHAREGPT_VAL)["rows"].value == pytest.approx(400, abs=8)  # some are like BFCL's
    assert train["tokens_mean"].value > 100


def test_too_many_rejects_stop_the_stage(checkpoint: Path, tmp_path: Path):
    instance = dg.DagsterInstance.ephemeral()
    result = _run(_profile(checkpoint, rows=100, broken_rows=11), tmp_path, instance)
    assert not result.success
    failure = result.get_failed_step_keys()
    assert XLAM_RAW in failure
    message = result.failure_data_for_node(XLAM_RAW).user_failure_data.description
    assert "11 of 111 rows cannot be read" in message
    (kept,) = (tmp_path / "logs").rglob(REJECTS)
    assert message.endswith(f"All that was found is in {kept}")
    assert len(kept.read_text().splitlines()) == 11
    assert not (tmp_path / "artifacts").exists()
    assert not list((tmp_path / "staging").iterdir())


def _judge(stage: Stage, **overrides: Mapping[str, object]) -> Mapping[str, dg.AssetCheckEvaluation]:
    """The gates of the stage alone, with these overrides by section."""
    result = dg.materialize(
        [*ASSETS, *CHECKS],
        selection=dg.AssetSelection.all_asset_checks(),
        resources=build_resources(stage.profile, stage.home),
        instance=stage.instance,
        run_config={"resources": {"profile": {"config": overrides}}},
        raise_on_error=False,
    )
    return _by_name(result)


def test_gates_record_the_bars_that_they_judged_by(stage: Stage):
    data, gates = stage.profile.data, stage.profile.gates
    found = _judge(stage)
    bars = {
        name: tuple(each.metadata[key].value for key in ("threshold_setting", "threshold_kind", "threshold"))
        for name, each in found.items()
        if "threshold" in each.metadata
    }
    assert bars == {
        f"{XLAM_RAW}.few_rejects": ("data.max_reject_share", "at_most", data.max_reject_share),
        f"{SHAREGPT_TRAIN}.gold_ceiling": ("gates.min_gold_ceiling", "at_least", gates.min_gold_ceiling),
        f"{SHAREGPT_VAL}.gold_ceiling": ("gates.min_gold_ceiling", "at_least", gates.min_gold_ceiling),
        f"{SHAREGPT_TRAIN}.rows_fit_the_context": ("server.max_model_len", "at_most", 4096),
        f"{SHAREGPT_VAL}.rows_fit_the_context": ("server.max_model_len", "at_most", 4096),
        f"{SHAREGPT_TRAIN}.split_is_as_configured": ("data.validation_share", "exactly", data.validation_share),
    }


@pytest.mark.sees_red("rows_fit_the_context")
def test_rows_are_held_to_the_context_of_the_run_and_the_record_says_which(stage: Stage):
    name = f"{SHAREGPT_VAL}.rows_fit_the_context"
    shorter, longer = (_judge(stage, server={"max_model_len": size})[name] for size in (1024, 8192))
    assert not shorter.passed and shorter.metadata["threshold"].value == 1024
    assert longer.passed and longer.metadata["threshold"].value == 8192, "a promotion sees that this bar is lenient"


def test_a_split_can_be_made_alone_from_an_earlier_table(stage: Stage):
    result = dg.materialize(
        [xlam_raw, sharegpt_splits],
        selection=dg.AssetSelection.assets(SHAREGPT_TRAIN, SHAREGPT_VAL),
        resources=build_resources(stage.profile, stage.home),
        instance=stage.instance,
    )
    assert result.success
    assert not list((stage.home / "staging").iterdir())


def test_a_smaller_context_changes_no_split_and_is_seen_by_the_gate(stage: Stage, tmp_path: Path):
    values = stage.profile.model_dump()
    values["server"]["max_model_len"] = 100
    with dg.DagsterInstance.ephemeral() as instance:
        result = _run(parse_profile(values, "test"), tmp_path, instance)
    made = {event.materialization.metadata["sha256"].value for event in result.get_asset_materialization_events()}
    assert made == {stage.latest(name).digest for name in (XLAM_RAW, SHAREGPT_TRAIN, SHAREGPT_VAL)}
    fitting = {name: passed for name, passed in _verdicts(result).items() if name.endswith("rows_fit_the_context")}
    assert fitting and not any(fitting.values())


@pytest.mark.sees_red("few_rejects", "examples_are_well_formed")
def test_gates_see_a_poisoned_table(stage: Stage, tmp_path: Path):
    raw = stage.latest(XLAM_RAW)

    def poison(out: Path) -> None:
        rows = pq.read_table(raw.path / EXAMPLES)
        calls = ['[{"name": "unknown_tool", "arguments": {}}]', *rows.column("calls").to_pylist()[1:]]
        place = rows.schema.get_field_index("calls")
        pq.write_table(rows.set_column(place, rows.schema.field(place), pa.array(calls)), out / EXAMPLES)
        shutil.copy(raw.path / SUMMARY, out / SUMMARY)

    strict = _strict(stage.profile, "data", max_reject_share=0.001)
    checks = [examples_are_well_formed, few_rejects]
    found = judge(checks, XLAM_RAW, poison, tmp_path, strict)
    assert {name for name, evaluation in found.items() if not evaluation.passed} == {
        "examples_are_well_formed",
        "few_rejects",
    }


def _strict(profile: Profile, section: str, **values: object) -> Profile:
    return parse_profile({**profile.model_dump(), section: {**profile.model_dump()[section], **values}}, "test")


@pytest.mark.sees_red("no_bfcl_question_in_train")
def test_a_question_of_bfcl_in_training_is_seen(stage: Stage, tmp_path: Path):
    train = stage.latest(SHAREGPT_TRAIN)
    question = json.loads((train.path / split_file(SHAREGPT_TRAIN)).read_text())[0]["conversations"][0]["value"]
    data = tmp_path / "lib/python3.11/site-packages/bfcl_eval/data"
    data.mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").touch()
    asked = {"id": "x", "question": [[{"role": "user", "content": question}]]}
    (data / "BFCL_v4_simple.json").write_text(json.dumps(asked))
    profile = _strict(stage.profile, "bfcl", python=str(tmp_path / "bin/python"))

    def copy(out: Path) -> None:
        shutil.copy(train.path / split_file(SHAREGPT_TRAIN), out)

    found = judge([no_bfcl_question_in_train], SHAREGPT_TRAIN, copy, tmp_path / "home", profile)
    assert not found["no_bfcl_question_in_train"].passed
    assert found["no_bfcl_question_in_train"].severity == dg.AssetCheckSeverity.ERROR


@pytest.mark.sees_red("splits_are_disjoint", "rows_are_conversations", "gold_ceiling", "split_is_as_configured")
def test_gates_see_a_poisoned_split(stage: Stage):
    train, validation = stage.latest(SHAREGPT_TRAIN), stage.latest(SHAREGPT_VAL)
    leaked = json.loads((validation.path / split_file(SHAREGPT_VAL)).read_text())[0]
    rows = json.loads((train.path / split_file(SHAREGPT_TRAIN)).read_text())
    answers = [row["conversations"][1] for row in rows if row["conversations"][1]["from"] == "function_call"]
    for answer in answers[: len(answers) // 5]:
        answer["value"] = '{"name": "unknown_tool", "arguments": {}}'

    @dg.asset(name=SHAREGPT_TRAIN)
    def poisoned(context: dg.AssetExecutionContext, runtime: dg.ResourceParam):
        with runtime.step(context) as step:
            shutil.copytree(train.path, step.out, dirs_exist_ok=True)
            (step.out / MANIFEST).unlink()
            (step.out / split_file(SHAREGPT_TRAIN)).write_text(json.dumps([*rows, leaked]))
            write_json(step.out / REPORT, {**train.read_json(REPORT), "rows": len(rows) // 2})
            return step.publish([], {})

    other = dg.asset(name=SHAREGPT_VAL)(lambda: None)
    checks = [
        check for check in CHECKS if all(spec.asset_key == dg.AssetKey(SHAREGPT_TRAIN) for spec in check.check_specs)
    ]
    result = dg.materialize(
        [poisoned, other, *checks],
        selection=dg.AssetSelection.assets(SHAREGPT_TRAIN),
        resources=build_resources(stage.profile, stage.home),
        instance=stage.instance,
        raise_on_error=False,
    )
    verdicts = _verdicts(result)
    for name in ("splits_are_disjoint", "rows_are_conversations", "gold_ceiling", "split_is_as_configured"):
        assert not verdicts[f"{SHAREGPT_TRAIN}.{name}"], name
