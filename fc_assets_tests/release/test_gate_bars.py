"""No gate can hide its bar: the real gates name theirs in their definitions, for every setting that is one."""

import ast
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from pydantic import BaseModel

from fc_assets.data import checks as data_checks
from fc_assets.definitions import build_defs
from fc_assets.evaluation import checks as evaluation_checks
from fc_assets.foundation.thresholds import Bar, defined_bar
from fc_assets.profiles import GateSettings, OwnToolsThresholds, Thresholds, load_profile, profile_names
from fc_assets.profiles.evaluation import OwnToolsGates
from fc_assets.training import checks as training_checks

OF_OTHER_ROOMS = {
    "gates.max_quantisation_loss.q8_0",
    "gates.max_quantisation_loss.q4_k_m",
    "gates.max_edge_first_token_s",
    "gates.max_edge_rss_gb",
}
"""Bars of gates that lie behind a promotion."""
OF_ARMS = {f"gates.dpo.{metric}" for metric in Thresholds.model_fields}
"""Bars of gates on an arm, which no promotion asks for."""
OF_OWN_TOOLS = {
    f"gates.own_tools.{rows}.{metric}"
    for rows in OwnToolsGates.model_fields
    for metric in OwnToolsThresholds.model_fields
}
"""Bars of gates that stand only where a profile has tools of its own."""
NO_BARS = {"gates.episodes_block"}
"""Settings that say what a failed gate does, and compare with nothing."""
BESIDE_THE_SECTION = {
    "data.max_reject_share",
    "data.validation_share",
    "server.max_model_len",
    "sft.merge.max_error",
    "sft.merge.max_rounding_kl",
    "evaluation.max_failed_share",
    "bfcl.categories",
}
"""Bars of gates that stand with the settings of their stage."""
NO_BAR = {"no_bfcl_question_in_train"}
"""A gate that reads where a tool lies, and compares with no setting."""


def blocking() -> list[dg.AssetCheckSpec]:
    checks = [*data_checks.CHECKS, *training_checks.CHECKS, *evaluation_checks.checks(load_profile("gpu-12gb"))]
    return [spec for check in checks for spec in check.check_specs if spec.blocking]


def bars() -> list[Bar]:
    return [bar for spec in blocking() if (bar := defined_bar(spec.metadata))]


def settings(section: BaseModel, path: str) -> Iterator[str]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from settings(value, f"{path}.{name}")
        else:
            yield f"{path}.{name}"


def test_every_setting_that_is_a_bar_is_named_by_a_gate() -> None:
    elsewhere = OF_OTHER_ROOMS | OF_ARMS | OF_OWN_TOOLS | NO_BARS
    wanted = set(settings(GateSettings(), "gates")) - elsewhere | BESIDE_THE_SECTION
    assert {bar.setting for bar in bars()} == wanted


@pytest.mark.parametrize("name", profile_names())
def test_every_bar_has_a_value_in_every_profile(name: str) -> None:
    profile = load_profile(name)
    for bar in bars():
        assert bar.at(bar.value(profile)).shown
    build_defs(profile)  # a promotion asks for each when the code location loads


@pytest.mark.parametrize("module", [data_checks, training_checks])
def test_a_gate_that_reads_a_setting_names_its_bar(module: object) -> None:
    """In the evaluation a gate is given nothing of the profile but the value of its bar."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    reading = {
        function.name: [ast.unparse(decorator) for decorator in function.decorator_list]
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and "runtime.profile" in ast.unparse(function)
    }
    assert reading
    hidden = [
        name
        for name, decorators in reading.items()
        if "blocking=True" in str(decorators) and ".definition" not in str(decorators) and name not in NO_BAR
    ]
    assert hidden == []
