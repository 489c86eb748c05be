"""Every gate of the evaluation sees its subject broken, by the bars of a real recipe; nothing else is red then."""

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fc_assets.evaluation import gates
from fc_assets.evaluation.bfcl.model import BfclReport, CategoryScore, ModeSummary
from fc_assets.evaluation.checks import EvaluationGate, report_gates, variant_gates
from fc_assets.evaluation.inference.parity import Parity
from fc_assets.evaluation.inference.predictions import AnswerSummary
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.names import PARITY, REPORT, RESULTS
from fc_assets.profiles import Thresholds, load_profile

PROFILE = load_profile("gpu-12gb")
PAIRS = (("base", "sft"), ("sft", "grpo"))
Broken = Callable[[dict[str, Any]], object]


def healthy() -> dict[str, Any]:
    """Results with which every gate on the report is green."""
    metrics = {name: 0.99 for name in (*Thresholds.model_fields, "parse_rate_lenient")}
    intervals = {"intervals": {name: [0.9, 1.0] for name in metrics}, "rows_counted": dict.fromkeys(metrics, 500)}
    test = {"metric": "exact_match", "difference": 0.1, "low": 0.05, "high": 0.15, "p_value": 0.001, "p_holm": 0.002}
    more = {"test": "exact McNemar", "pairs": 500, "only_first": 20, "only_second": 70, "detectable": 0.05}
    return {
        "variants": {name: {**metrics, **intervals} for name in ("base", "sft", "grpo")},
        "comparisons": [{"first": first, "second": second, **test, **more} for first, second in PAIRS],
    }


def metric(variant: str, name: str, value: float | None) -> Broken:
    return lambda results: results["variants"][variant].update({name: value})


def comparison(second: str, **values: float) -> Broken:
    def change(results: dict[str, Any]) -> None:
        next(test for test in results["comparisons"] if test["second"] == second).update(values)

    return change


def never_refuses(results: dict[str, Any]) -> None:
    for variant in results["variants"].values():
        variant["irrelevance_accuracy"] = 0.0


BROKEN: Mapping[str, tuple[Broken, set[str]]] = {
    **{
        f"{variant} has too little {name}": (metric(variant, name, 0.5), {f"{variant}_{name}"})
        for variant in ("sft", "grpo")
        for name in Thresholds.model_fields
        if name != "irrelevance_accuracy"
    },
    "GRPO changed nothing": (
        comparison("grpo", difference=0.0, low=0.0, high=0.0, p_holm=1.0, only_first=0, only_second=0),
        {"grpo_gains_over_sft"},
    ),
    "GRPO's gain may be chance": (comparison("grpo", difference=0.01, low=-0.01), {"grpo_gains_over_sft"}),
    "GRPO made it worse": (
        comparison("grpo", difference=-0.1, low=-0.15),
        {"grpo_gains_over_sft", "grpo_is_not_worse_than_sft"},
    ),
    "SFT is no better than base": (comparison("sft", difference=0.01, p_holm=0.4), {"sft_is_better_than_base"}),
    "no model refuses, base neither": (never_refuses, {"sft_irrelevance_accuracy", "grpo_irrelevance_accuracy"}),
    "SFT unlearnt refusing": (metric("sft", "irrelevance_accuracy", 0.9), {"sft_keeps_silence"}),
    "GRPO unlearnt refusing": (metric("grpo", "irrelevance_accuracy", 0.9), {"grpo_keeps_silence"}),
    "nothing of base is readable": (metric("base", "parse_rate_lenient", 0.0), {"base_can_be_beaten"}),
    "base was not measured": (metric("base", "parse_rate_lenient", None), {"base_can_be_beaten"}),
}


def published(files: Mapping[str, Any], home: Path) -> Artifact:
    store = ArtifactStore(home)
    with store.workspace("judged") as folder:
        (folder / "out").mkdir()
        for name, content in files.items():
            (folder / "out" / name).write_text(json.dumps(content))
        return store.publish("judged", folder / "out")


def red(judging: Iterable[EvaluationGate], files: Mapping[str, Any], home: Path) -> set[str]:
    """The names of the gates that these files, as one artefact, do not pass."""
    artifact = published(files, home)
    return {gate.name for gate in judging if not gate.result(artifact, PROFILE).passed}


@pytest.mark.sees_red(
    *("sft_parse_rate", "sft_function_name_accuracy", "sft_param_f1", "sft_schema_hit", "sft_exec_rate"),
    *("grpo_parse_rate", "grpo_function_name_accuracy", "grpo_param_f1", "grpo_schema_hit", "grpo_exec_rate"),
    *("sft_irrelevance_accuracy", "grpo_irrelevance_accuracy", "sft_keeps_silence", "grpo_keeps_silence"),
    *("sft_is_better_than_base", "grpo_is_not_worse_than_sft", "grpo_gains_over_sft", "base_can_be_beaten"),
)
@pytest.mark.parametrize("case", BROKEN)
def test_each_gate_on_the_report_sees_what_it_is_for_and_nothing_else(case: str, tmp_path: Path) -> None:
    results, (change, wanted) = healthy(), BROKEN[case]
    broken = copy.deepcopy(results)
    change(broken)
    judging = report_gates(["base", "sft", "grpo"])
    assert red(judging, {RESULTS: results}, tmp_path) == set()
    assert red(judging, {RESULTS: broken}, tmp_path) == wanted


def test_no_gate_on_the_report_is_left_out() -> None:
    seen = {name for _, names in BROKEN.values() for name in names}
    assert seen == {gate.name for gate in report_gates(["base", "sft", "grpo"])}


def test_a_policy_without_a_gain_is_promoted_only_where_the_profile_says_so(tmp_path: Path) -> None:
    results = healthy()
    BROKEN["GRPO changed nothing"][0](results)
    artifact = published({RESULTS: results}, tmp_path)
    gate = next(gate for gate in report_gates(["base", "sft", "grpo"]) if gate.name == "grpo_gains_over_sft")
    anyway = PROFILE.model_copy(update={"gates": PROFILE.gates.model_copy(update={"min_gain_over_sft": -0.02})})
    refused, allowed = gate.result(artifact, PROFILE), gate.result(artifact, anyway)
    assert not refused.passed and "+0.000 [+0.000, +0.000]" in str(refused.description)
    assert allowed.passed and "a policy without a gain is promoted too" in str(allowed.description)


@pytest.mark.sees_red("rows_were_answered", "template_parity")
@pytest.mark.parametrize(
    ("failed", "equal", "wanted"),
    [(0, 50, set()), (2, 50, {"rows_were_answered"}), (0, 49, {"template_parity"})],
    ids=["healthy", "the server broke down", "another chat template"],
)
def test_each_gate_on_predictions_sees_what_it_is_for(
    failed: int, equal: int, wanted: set[str], tmp_path: Path
) -> None:
    files = {REPORT: asdict(AnswerSummary(100, failed, 0, 0, 1.0, 0, 0)), PARITY: asdict(Parity(50, equal))}
    judging = [gate for gate in variant_gates("grpo") if gate.asset.path[0] == "predictions"]
    assert red(judging, files, tmp_path) == wanted


def bfcl(correct: int, parse_share: float, without: str = "") -> BfclReport:
    """A report in which `correct` of 4 rows of each category are right; irrelevance is right in any case."""
    categories = tuple(
        CategoryScore(name, 0.5, 0.1, 0.9, 4 if name.endswith("irrelevance") else correct, 4, 0.0, 0)
        for name in PROFILE.bfcl.categories
        if name != without
    )
    mode = ModeSummary(headline={}, parse_share=parse_share, failed=0, too_long=0, categories=categories)
    modes = dict.fromkeys(PROFILE.bfcl.prompt_modes, mode)
    return BfclReport(bfcl_eval="1", sampled=len(categories) * 4, sizes={}, modes=modes)


@pytest.mark.sees_red("categories_were_judged", "answers_parse", "calls_are_right")
@pytest.mark.parametrize(
    ("report", "wanted"),
    [
        (bfcl(3, 0.9), set()),
        (bfcl(0, 0.9), {"calls_are_right"}),
        (bfcl(0, 0.0), {"calls_are_right", "answers_parse"}),
        (bfcl(3, 0.9, without="live_multiple"), {"categories_were_judged"}),
    ],
    ids=["healthy", "all wrong", "silence", "a category is missing"],
)
def test_each_gate_on_bfcl_sees_what_it_is_for(report: BfclReport, wanted: set[str], tmp_path: Path) -> None:
    judging = [gate for gate in variant_gates("grpo") if gate.asset.path[0] == "bfcl_scores"]
    assert red(judging, {REPORT: report.model_dump(mode="json")}, tmp_path) == wanted


def test_a_bar_of_0_says_that_it_holds_nothing_back() -> None:
    verdict = gates.is_right_on_bfcl(bfcl(0, 0.0), 0.0)
    assert verdict.passed and verdict.sentence.endswith("A bar of 0 holds nothing back.")
