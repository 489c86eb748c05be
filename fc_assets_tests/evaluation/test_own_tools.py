"""A user's own tools in the evaluation: strata of their own in the report, and gates that see what they are for."""

import json
from pathlib import Path
from typing import Any

import pytest

from fc_assets.calls.conversations import turns_of
from fc_assets.calls.prompts import answer_text
from fc_assets.data.rows.held_out import FLAG_HELD_OUT_TEMPLATE, FLAG_HELD_OUT_TOOL, FLAG_OWN_TOOLS
from fc_assets.evaluation.checks import checks, own_tools_gates
from fc_assets.evaluation.prediction_files import Prediction, scoring_rows
from fc_assets.evaluation.report.build import build_report
from fc_assets.evaluation.report.write import results
from fc_assets.evaluation.scoring import HELD_OUT_TEMPLATES, HELD_OUT_TOOLS, score_rows
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.names import RESULTS
from fc_assets.profiles import Profile, load_profile, parse_profile
from fc_assets_tests.support.tools import TOOLS, WEIGHTS, weather

KINDS = {
    "other": [],
    "known": [FLAG_OWN_TOOLS],
    "template": [FLAG_OWN_TOOLS, FLAG_HELD_OUT_TEMPLATE],
    "tool": [FLAG_OWN_TOOLS, FLAG_HELD_OUT_TOOL],
}
EACH = 10


def reported(wrong: dict[str, int], kinds: dict[str, list[str]] = KINDS) -> dict[str, Any]:
    """The results of SFT and GRPO alike on ten rows of each kind, of which so many name a wrong city."""
    rows, answers = [], []
    for kind, flags in kinds.items():
        for number in range(EACH):
            call = {"from": "function_call", "value": json.dumps(weather("Paris").as_dict())}
            turns = [{"from": "human", "value": f"{kind} {number}: weather in Paris?"}, call]
            rows.append({"id": f"{kind}-{number}", "conversations": turns, "tools": json.dumps(TOOLS), "flags": flags})
            city = "Rome" if number < wrong.get(kind, 0) else "Paris"
            answers.append(Prediction(f"{kind}-{number}", answer_text([weather(city)])))
    turns = [turn for row in rows for turn in turns_of(row)]
    frame = score_rows(scoring_rows(turns, answers), WEIGHTS)
    return results(build_report({"sft": frame, "grpo": frame.copy()}, WEIGHTS, samples=50))


def test_own_tools_are_strata_of_the_report() -> None:
    strata = reported({"template": 4, "tool": 7})["strata"]
    found = {
        name: (each["grpo"]["exact_match"]["value"], each["grpo"]["exact_match"]["rows"])
        for name, each in strata.items()
        if name.startswith("own tools")
    }
    assert found == {
        "own tools": (pytest.approx(19 / 30), 30),
        "own tools, held-out templates": (0.6, 10),
        "own tools, held-out tools": (pytest.approx(0.3), 10),
    }


def test_a_report_without_own_tools_has_no_such_strata() -> None:
    assert not [name for name in reported({}, {"other": []})["strata"] if "own" in name]


def red(found: dict[str, Any], home: Path) -> set[str]:
    store = ArtifactStore(home)
    with store.workspace("judged") as folder:
        (folder / "out").mkdir()
        (folder / "out" / RESULTS).write_text(json.dumps(found))
        artifact = store.publish("judged", folder / "out")
    judging = own_tools_gates(["base", "sft", "grpo"], (HELD_OUT_TEMPLATES, HELD_OUT_TOOLS))
    return {gate.name for gate in judging if not gate.result(artifact, load_profile("gpu-12gb")).passed}


@pytest.mark.sees_red(
    *("sft_exact_match_held_out_templates", "grpo_exact_match_held_out_templates"),
    *("sft_exact_match_held_out_tools", "grpo_exact_match_held_out_tools"),
)
def test_wrong_calls_of_own_tools_are_seen(tmp_path: Path) -> None:
    assert red(reported({"known": 10, "other": 10}), tmp_path) == set()
    assert red(reported({"template": 3}), tmp_path) == {
        "sft_exact_match_held_out_templates", "grpo_exact_match_held_out_templates",
    }  # fmt: skip
    assert red(reported({"tool": 4}), tmp_path) == {"sft_exact_match_held_out_tools", "grpo_exact_match_held_out_tools"}


@pytest.mark.sees_red(
    *("sft_function_name_accuracy_held_out_templates", "grpo_function_name_accuracy_held_out_templates"),
    *("sft_function_name_accuracy_held_out_tools", "grpo_function_name_accuracy_held_out_tools"),
)
@pytest.mark.parametrize("kind", ["templates", "tools"])
def test_wrong_names_of_own_tools_are_seen(kind: str, tmp_path: Path) -> None:
    found = reported({})
    for variant in ("sft", "grpo"):
        found["strata"][f"own tools, held-out {kind}"][variant]["function_name_accuracy"]["value"] = 0.89
    names = {f"{variant}_function_name_accuracy_held_out_{kind}" for variant in ("sft", "grpo")}
    assert red(found, tmp_path) == names


def test_nothing_measured_is_red(tmp_path: Path) -> None:
    found = reported({}, {"other": [], "known": [FLAG_OWN_TOOLS]})
    assert len(red(found, tmp_path)) == 8


def names_of(profile: Profile) -> set[str]:
    return {spec.name for definition in checks(profile) for spec in definition.check_specs if "held_out" in spec.name}


def test_there_are_such_gates_only_where_a_profile_has_own_tools() -> None:
    values = load_profile("demo").model_dump()
    assert names_of(parse_profile(values, "test")) == set()
    values["data"]["own_tools"]["weight"] = 0.1
    assert len(names_of(parse_profile(values, "test"))) == 8
    values["data"]["own_tools"]["held_out_tools"] = 0
    assert {name.rpartition("_held_out_")[2] for name in names_of(parse_profile(values, "test"))} == {"templates"}
