"""The gates: what passes, what fails, and what is said when there is nothing to judge."""

import json
from functools import reduce
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fc_assets.evaluation import gates
from fc_assets.evaluation.bfcl.model import BfclReport, CategoryScore, ModeSummary
from fc_assets.evaluation.champion import ChampionComparison
from fc_assets.evaluation.checks import checks, grpo_is_not_worse_than_champion, report_gates, variant_gates
from fc_assets.evaluation.inference.parity import Parity, PromptDifference
from fc_assets.evaluation.inference.predictions import AnswerSummary
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.foundation.resources import build_resources
from fc_assets.profiles import Thresholds, load_profile, parse_profile
from fc_assets_tests.support.evaluation_world import source


def results(difference: float | None = 0.1, p_holm: float = 0.01, low: float = 0.05, **metrics: Any) -> dict[str, Any]:
    """Results in which base has irrelevance accuracy 0.8 and sft the given metrics."""
    values = {"parse_rate": 0.95, "irrelevance_accuracy": 0.9, **metrics}
    sft = {
        **values,
        "intervals": {name: [0.5, 1.0] for name in values},
        "rows_counted": dict.fromkeys(values, 100),
    }
    comparison = {
        "first": "base",
        "second": "sft",
        "metric": "exact_match",
        "difference": difference,
        "low": low,
        "high": 0.2,
        "p_value": p_holm / 2,
        "p_holm": p_holm,
        "test": "exact McNemar",
        "pairs": 100,
        "only_first": 1,
        "only_second": 11,
        "detectable": 0.05,
    }
    other = {**comparison, "metric": "param_f1", "p_holm": 1.0}
    return {"variants": {"base": {"irrelevance_accuracy": 0.8}, "sft": sft}, "comparisons": [other, comparison]}


@pytest.mark.parametrize(("value", "passed"), [(0.9, True), (0.8999, False), (None, False), (1.0, True)])
def test_a_threshold_is_a_least_value(value: float | None, passed: bool) -> None:
    verdict = gates.reaches_threshold(results(parse_rate=value), "sft", "parse_rate", 0.9)
    assert verdict.passed is passed
    assert verdict.numbers["value"] == value


@pytest.mark.parametrize(
    ("difference", "p_holm", "passed"),
    [(0.1, 0.04, True), (0.1, 0.05, False), (-0.1, 0.001, False), (0.0, 1.0, False), (None, 1.0, False)],
)
def test_better_means_significantly_more(difference: float | None, p_holm: float, passed: bool) -> None:
    assert gates.is_better(results(difference, p_holm), "base", "sft", 0.05).passed is passed


@pytest.mark.parametrize(
    ("difference", "low", "passed", "proven"),
    [(0.0, -0.01, True, "true"), (-0.02, -0.05, True, "false"), (-0.03, -0.05, False, "false")],
)
def test_not_worse_means_within_the_margin(difference: float, low: float, passed: bool, proven: str) -> None:
    verdict = gates.is_not_worse(results(difference, 0.5, low), "base", "sft", 0.02)
    assert verdict.passed is passed and verdict.numbers["proven"] == proven


def compared(difference: float, champion: str = "old", unasked: str = "") -> dict[str, Any]:
    """What the policy `new` did against `champion`."""
    tests = [] if unasked else results(difference)["comparisons"]
    return {"policy": "new", "champion": {"release": "r", "policy": champion, "unasked": unasked, "tests": tests}}


@pytest.mark.sees_red("grpo_is_not_worse_than_champion")
@pytest.mark.parametrize(
    ("found", "promoted", "passed", "said"),
    [
        ({"policy": "new", "champion": None}, "", True, "No other policy is promoted"),
        ({"policy": "new", "champion": None}, "new", True, "No other policy is promoted"),
        ({"policy": "new", "champion": None}, "old", False, "was promoted after these predictions"),
        (compared(0.1, champion="older"), "old", False, "was promoted after these predictions"),
        (compared(-0.02), "old", True, "may be lost"),
        (compared(-0.021), "old", False, "may be lost"),
        (compared(0.0, unasked="its files are gone"), "old", False, "its files are gone"),
    ],
)
def test_the_champion_must_have_been_met(found: dict[str, Any], promoted: str, passed: bool, said: str) -> None:
    verdict = gates.is_not_worse_than_champion(ChampionComparison.model_validate(found), promoted, 0.02)
    assert verdict.passed is passed and said in verdict.sentence


@pytest.mark.parametrize(("own", "passed"), [(0.76, True), (0.74, False), (None, False)])
def test_silence_is_held_against_base(own: float | None, passed: bool) -> None:
    assert gates.keeps_silence(results(irrelevance_accuracy=own), "sft", "base", 0.05).passed is passed


@pytest.mark.parametrize(("rows", "failed", "passed"), [(100, 1, True), (100, 2, False), (0, 0, False)])
def test_rows_without_an_answer_are_counted(rows: int, failed: int, passed: bool) -> None:
    summary = AnswerSummary(rows, failed, 3, 4, None, 0, 0)
    assert gates.was_answered(summary, 0.01).passed is passed


def test_parity_needs_rows_and_names_the_first_difference() -> None:
    assert gates.has_parity(Parity(50, 50)).passed
    broken = gates.has_parity(Parity(50, 49, [PromptDifference("r7", 12, "a", "b")]))
    assert not broken.passed and "Row r7 differs at token 12" in broken.sentence
    unmeasured = gates.has_parity(Parity(0, 0, unmeasured="no /tokenize"))
    assert not unmeasured.passed and "no /tokenize" in unmeasured.sentence


def bfcl_report(**official: Any) -> BfclReport:
    """Four rows of one category in two modes, one of which has these changes."""
    categories = (CategoryScore("multiple", 0.5, 0.1, 0.9, 2, 4, 0.0, 1),)
    mode = ModeSummary(headline={}, parse_share=0.5, failed=0, too_long=1, categories=categories)
    modes = {"chat_template": mode, "official": mode.model_copy(update=official)}
    return BfclReport(bfcl_eval="1", sampled=4, sizes={"multiple": 200}, modes=modes)


def test_bfcl_must_be_judged_whole() -> None:
    assert gates.covers_bfcl(bfcl_report(), ("multiple",)).passed
    missing = gates.covers_bfcl(bfcl_report(categories=()), ("multiple",))
    assert not missing.passed and "multiple (official)" in missing.sentence
    lost = bfcl_report(failed=1)
    assert not gates.covers_bfcl(lost, ("multiple",)).passed
    assert gates.covers_bfcl(lost.model_copy(update={"max_failed_share": 1 / 8}), ("multiple",)).passed
    assert not gates.covers_bfcl(lost.model_copy(update={"max_failed_share": 1 / 9}), ("multiple",)).passed
    assert not gates.covers_bfcl(bfcl_report().model_copy(update={"modes": {}}), ()).passed


def test_the_leading_prompt_mode_must_parse() -> None:
    def report(share: float | None) -> BfclReport:
        found = bfcl_report(parse_share=1.0)
        leading = found.modes["chat_template"].model_copy(update={"parse_share": share})
        return found.model_copy(update={"modes": {**found.modes, "chat_template": leading}})

    assert gates.parses_bfcl(report(0.5), 0.5).passed
    assert not gates.parses_bfcl(report(0.5), 0.6).passed
    assert not gates.parses_bfcl(report(None), 0.0).passed


@pytest.mark.parametrize(
    ("name", "found", "setting", "lenient"),
    [
        ("sft_parse_rate", results(parse_rate=0.5), "gates.sft.parse_rate", 0.1),
        ("sft_keeps_silence", results(irrelevance_accuracy=0.5), "gates.irrelevance_margin", 0.5),
        ("sft_is_better_than_base", results(p_holm=0.3), "gates.significance", 0.5),
    ],
)
def test_a_bar_that_is_lowered_shows(
    tmp_path: Path, name: str, found: dict[str, Any], setting: str, lenient: float
) -> None:
    store, profile = ArtifactStore(tmp_path), load_profile("demo")
    with store.workspace("eval_report") as folder:
        (folder / "out").mkdir()
        (folder / "out" / "results.json").write_text(json.dumps(found))
        report = store.publish("eval_report", folder / "out")
    gate = next(gate for gate in report_gates(["base", "sft", "grpo"]) if gate.name == name)
    values = profile.model_dump()
    *sections, field = setting.split(".")
    reduce(dict.__getitem__, sections, values)[field] = lenient
    red, green = gate.result(report, profile), gate.result(report, parse_profile(values, "test"))
    assert not red.passed and green.passed
    assert green.metadata["threshold"].value == lenient != red.metadata["threshold"].value
    assert {each.metadata["threshold_setting"].value for each in (red, green)} == {setting}


@pytest.mark.parametrize(
    ("changes", "red"),
    [
        ({"parse_rate": 0.5}, {"parse_rate"}),
        ({"irrelevance_accuracy": 0.5}, {"keeps_silence"}),
        ({"difference": -0.5}, {"is_not_worse_than_sft"}),
    ],
)
def test_an_arm_is_judged_as_the_others_and_only_warns(tmp_path: Path, changes: dict[str, Any], red: set[str]) -> None:
    def fill(found: dict[str, Any]) -> dict[str, Any]:
        metrics = dict.fromkeys(Thresholds.model_fields, 1.0) | {"irrelevance_accuracy": 0.9} | found
        numbers = results(**metrics)
        numbers["comparisons"] = [{**test, "first": "sft", "second": "dpo"} for test in numbers["comparisons"]]
        return {**numbers, "variants": {**numbers["variants"], "dpo": numbers["variants"]["sft"]}}

    store, profile = ArtifactStore(tmp_path), load_profile("demo")
    with store.workspace("eval_report") as folder:
        (folder / "out").mkdir()
        (folder / "out" / "results.json").write_text(json.dumps(fill(changes)))
        report = store.publish("eval_report", folder / "out")
    judged = [gate for gate in report_gates(["base", "sft", "grpo", "dpo"]) if gate.name.startswith("dpo_")]
    verdicts = {gate.name.removeprefix("dpo_"): gate.result(report, profile) for gate in judged}
    assert {name for name, verdict in verdicts.items() if not verdict.passed} == red
    assert {verdict.severity for verdict in verdicts.values()} == {dg.AssetCheckSeverity.WARN}
    assert not any(gate.blocking for gate in judged)
    assert {gate.bar.setting for gate in judged if gate.bar} > {f"gates.dpo.{name}" for name in Thresholds.model_fields}


def test_the_words_of_a_bar_are_recorded(tmp_path: Path) -> None:
    store, profile = ArtifactStore(tmp_path), load_profile("demo")
    with store.workspace("bfcl") as folder:
        (folder / "out").mkdir()
        (folder / "out" / "report.json").write_text(bfcl_report().model_dump_json())
        scores = store.publish("bfcl", folder / "out")
    gate = next(gate for gate in variant_gates("sft") if gate.name == "categories_were_judged")
    lenient = profile.model_copy(update={"bfcl": profile.bfcl.model_copy(update={"categories": ("multiple",)})})
    red, green = gate.result(scores, profile), gate.result(scores, lenient)
    assert not red.passed and green.passed
    assert green.metadata["threshold"].value == "multiple"
    assert red.metadata["threshold"].value == ", ".join(profile.bfcl.categories)


def test_the_champions_margin_is_recorded_although_nobody_is_promoted_yet(tmp_path: Path) -> None:
    def fill(out: Path) -> None:
        (out / "champion.json").write_text(json.dumps({"policy": "new", "champion": None}))

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [source("eval_report", fill), grpo_is_not_worse_than_champion],
            resources=build_resources(load_profile("demo"), tmp_path),
            instance=instance,
            run_config={"resources": {"profile": {"config": {"gates": {"non_inferiority_margin": 0.5}}}}},
        )
    (evaluation,) = result.get_asset_check_evaluations()
    recorded = [evaluation.metadata[name].value for name in ("threshold_setting", "threshold_kind", "threshold")]
    assert recorded == ["gates.non_inferiority_margin", "at_most", 0.5]


def test_every_gate_blocks_and_has_a_name_of_its_own() -> None:
    specs = [spec for check in checks(load_profile("demo")) for spec in check.check_specs]
    assert all(spec.blocking and spec.description for spec in specs)
    assert len({spec.key for spec in specs}) == len(specs)
    on_report = {spec.name for spec in specs if spec.asset_key.to_user_string() == "eval_report"}
    assert {f"{variant}_{metric}" for variant in ("sft", "grpo") for metric in Thresholds.model_fields} < on_report
