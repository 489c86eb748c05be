"""Own tools from the file to the splits: mixed by weight and held out of training; what leaks turns the check red."""

import json
import logging
import shutil
from pathlib import Path

import dagster as dg
import pytest

from fc_assets.data.assets import ASSETS
from fc_assets.data.checks import CHECKS, splits_are_disjoint
from fc_assets.data.data_quality import held_out_in_train
from fc_assets.data.raw_table import build_raw_table
from fc_assets.data.rows.held_out import FLAG_HELD_OUT_TEMPLATE, FLAG_HELD_OUT_TOOL
from fc_assets.data.sources.own_tools.list_tools_job import list_tools
from fc_assets.data.sources.profile_sources import own_tools_file, own_tools_job, row_sources
from fc_assets.data.split_building import build_curated_splits
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.resources import build_resources
from fc_assets.names import OWN_TOOLS_FILE, SHAREGPT_TRAIN, SHAREGPT_VAL, XLAM_RAW, split_file
from fc_assets.profiles import DataSettings, load_profile, parse_profile
from fc_assets_tests.support.graph import ROOT
from fc_assets_tests.support.mcp_servers import hostile_command

TOOLS = ROOT / "docs" / "own-tools.json"


SETTINGS = DataSettings.model_validate(
    {"source": "generator", "rows": 200, "own_tools": {"weight": 1.0, "path": str(TOOLS)}}
)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """The table and the splits of 200 rows of the generator and as many for own tools."""
    folder = tmp_path_factory.mktemp("data")
    raw, train, validation = (folder / name for name in (XLAM_RAW, SHAREGPT_TRAIN, SHAREGPT_VAL))
    for each in (raw, train, validation):
        each.mkdir()
    sources = row_sources(SETTINGS, [], own_tools_file(SETTINGS, raw))
    build_raw_table(sources, raw, policy=SETTINGS.required_policy, max_reject_share=0.0)
    build_curated_splits(raw, train, validation, folder, SETTINGS, [])
    store = ArtifactStore(folder / "home")
    return {each.name: store.publish(each.name, each) for each in (raw, train, validation)}


@pytest.mark.slow
def test_the_assets_pass_their_checks_and_show_how_different_the_rows_are(checkpoint: Path, tmp_path: Path) -> None:
    values = load_profile("demo").model_dump()
    values["data"] = SETTINGS.model_dump()
    values["base_model"].update({"source": "folder", "path": str(checkpoint)})
    values["server"]["max_model_len"] = 8192
    resources = build_resources(parse_profile(values, "test"), tmp_path)
    result = dg.materialize([*ASSETS, *CHECKS], resources=resources)
    # bfcl-eval is not installed everywhere; its check then warns
    assert all(each.passed for each in result.get_asset_check_evaluations() if "bfcl" not in each.check_name)
    shown = result.asset_materializations_for_node(XLAM_RAW)[0].metadata
    assert shown["own_rows"].value == 200 and shown["own_distinct_questions"].value > 0.9


def rows(artifact: Artifact, name: str) -> list[dict]:
    return json.loads((artifact.path / split_file(name)).read_text(encoding="utf-8"))


def test_rows_are_mixed_by_weight_and_the_tools_are_on_record(splits: dict[str, Artifact]) -> None:
    raw = splits[XLAM_RAW]
    assert raw.read_json("summary.json")["by_source"] == {"generator": 200, "own_tools": 200}
    assert (raw.path / OWN_TOOLS_FILE).read_bytes() == TOOLS.read_bytes()


def test_validation_alone_has_what_is_held_out(splits: dict[str, Artifact]) -> None:
    train, validation = rows(splits[SHAREGPT_TRAIN], SHAREGPT_TRAIN), rows(splits[SHAREGPT_VAL], SHAREGPT_VAL)
    flags = [flag for row in validation for flag in row["flags"]]
    assert flags.count(FLAG_HELD_OUT_TEMPLATE) > 2 and flags.count(FLAG_HELD_OUT_TOOL) > 2
    assert any(row["source"] == "generator" for row in validation)
    assert {flag for row in train for flag in row["flags"]}.isdisjoint({FLAG_HELD_OUT_TEMPLATE, FLAG_HELD_OUT_TOOL})
    files = [splits[name].path / split_file(name) for name in (SHAREGPT_TRAIN, SHAREGPT_VAL)]
    assert held_out_in_train(files[0], files[1]) == (0, 0)


def with_rows(artifact: Artifact, name: str, changed: list[dict], folder: Path) -> Artifact:
    """A copy of the split with these rows."""
    shutil.copytree(artifact.path, folder / "out")
    (folder / "out" / split_file(name)).write_text(json.dumps(changed, ensure_ascii=False))
    return ArtifactStore(folder / "home").publish(name, folder / "out")


@pytest.mark.sees_red("splits_are_disjoint")
@pytest.mark.parametrize("flag", [FLAG_HELD_OUT_TEMPLATE, FLAG_HELD_OUT_TOOL])
def test_a_held_out_row_or_tool_in_training_is_seen(flag: str, splits: dict[str, Artifact], tmp_path: Path) -> None:
    train, validation = splits[SHAREGPT_TRAIN], splits[SHAREGPT_VAL]
    known = rows(train, SHAREGPT_TRAIN)
    leak = next(row for row in rows(validation, SHAREGPT_VAL) if flag in row["flags"] and "function_call" in str(row))
    question = [{"from": "human", "value": "Asked nowhere else, surely?"}, *leak["conversations"][1:2]]
    leaked = {**leak, "id": "leak", "conversations": question}
    if flag == FLAG_HELD_OUT_TOOL:
        leaked["flags"] = []  # the row looks like any other: its tools tell
    broken = with_rows(train, SHAREGPT_TRAIN, [*known, leaked], tmp_path)
    verdict = splits_are_disjoint(broken, validation)
    assert isinstance(verdict, dg.AssetCheckResult)
    assert not verdict.passed
    assert verdict.metadata["shared_queries"].value == 0
    assert verdict.metadata["held_out_rows"].value == (flag == FLAG_HELD_OUT_TEMPLATE)


@pytest.mark.parametrize("mode", ["names", "recursive", "inject"])
def test_what_a_hostile_server_lists_is_refused_tool_by_tool(mode: str, tmp_path: Path) -> None:
    data = {"source": "tools", "rows": 20, "own_tools": {"mcp": hostile_command(mode), "mcp_timeout_s": 20}}
    settings = DataSettings.model_validate(data)
    job = own_tools_job(settings, tmp_path)
    assert job is not None
    assert list_tools(job, logging.getLogger()).tools == 4
    (source,) = row_sources(settings, [], own_tools_file(settings, tmp_path))
    summary = build_raw_table([source], tmp_path, policy="all", max_reject_share=1.0)
    assert summary.rows == 20 and summary.rejected == (mode != "recursive")


def test_a_server_that_lists_too_much_fails_the_step(tmp_path: Path) -> None:
    settings = DataSettings.model_validate({"source": "tools", "own_tools": {"mcp": hostile_command("huge")}})
    job = own_tools_job(settings, tmp_path)
    assert job is not None
    with pytest.raises(FcAssetsError, match="lists more than 256 tools"):
        list_tools(job, logging.getLogger())


def test_tools_of_a_file_and_of_a_server_are_not_mixed(tmp_path: Path) -> None:
    settings = DataSettings.model_validate({"source": "tools", "own_tools": {"mcp": "x", "path": "y"}})
    with pytest.raises(FcAssetsError, match="empty one of the two"):
        own_tools_job(settings, tmp_path)


def test_own_tools_alone_are_a_source(tmp_path: Path) -> None:
    settings = DataSettings(source="tools", path=str(TOOLS), rows=50)
    (source,) = row_sources(settings, [], own_tools_file(settings, tmp_path))
    assert (source.name, source.limit, source.weight) == ("own_tools", 50, 0.0)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"source": "tools"}, r"set data\.own_tools\.path"),
        ({"source": "generator", "rows": 5, "own_tools": {"weight": 1}}, r"set data\.own_tools\.path"),
        ({"source": "tools", "path": "/nowhere/tools.json"}, "correct the path"),
        ({"source": "tools", "path": str(TOOLS)}, r"set data\.rows"),
    ],
)
def test_settings_without_tools_or_rows_are_one_sentence(data: dict, said: str, tmp_path: Path) -> None:
    settings = DataSettings.model_validate(data)
    with pytest.raises(FcAssetsError, match=said):
        row_sources(settings, [], own_tools_file(settings, tmp_path))
