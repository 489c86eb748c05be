"""The gates on training: each is red beyond its bar, and records the bar that it judged by."""

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.child_processes.jobs import JobResult
from fc_assets.foundation.json_files import write_json
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.names import BASE_MODEL, GRPO_POLICY, LORA_ADAPTER, MERGED_MODEL, MODEL_FOLDER, REPORT
from fc_assets.profiles import EMBEDDED, load_profile
from fc_assets.training.checks import (
    CHECKS,
    checkpoint_is_usable,
    judge_reward,
    loss_fell,
    policy_moved,
    reward_did_not_fall,
)
from fc_assets.training.jobs import GrpoResult, SftResult
from fc_assets.training.training_log import PROBE_EXACT, PROBE_ROWS
from fc_assets_tests.support.checks import judge
from fc_assets_tests.training.conftest import MERGE

REPORTS = {
    # 10 of 100 turns were left out.
    LORA_ADAPTER: SftResult.model_validate(
        dict.fromkeys(SftResult.model_fields, 0)
        | {
            "log": [{"loss": loss} for loss in (4.0, 3.0, 2.0, 1.0)],
            "turns": 90,
            "overlong": [str(number) for number in range(10)],
            "learnt_spans": [],
            "validation": [],
            "best_step": None,
            "held_out": 0,
        }
    ),
    # 10 of 100 turns have too long a prompt, one of the others cannot earn the full reward.
    GRPO_POLICY: GrpoResult.model_validate(
        dict.fromkeys(GrpoResult.model_fields, 0)
        | {
            "log": [{"reward": 0.5}] * 4,
            "turns": 89,
            "overlong": [str(number) for number in range(10)],
            "capped": ["capped"],
            "probe": [],
            "merge": MERGE,
            "first_samples": [],
            "last_samples": [],
        }
    ),
    MERGED_MODEL: MERGE,
}


def made(name: str) -> dg.AssetsDefinition:
    """The asset with its report alone."""

    @dg.asset(name=name)
    def asset(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[Artifact]:
        with runtime.step(context) as step:
            return step.publish([], {}, report=REPORTS[name])

    return asset


@pytest.mark.sees_red("few_turns_left_out", "few_prompts_left_out", "merge_is_exact", "saving_kept_the_merge")
@pytest.mark.parametrize(
    ("asset", "check", "bar", "lenient"),
    [
        (
            LORA_ADAPTER,
            "few_turns_left_out",
            ("gates.max_overlong_share", 0.02),
            {"gates": {"max_overlong_share": 0.2}},
        ),
        (
            GRPO_POLICY,
            "few_prompts_left_out",
            ("gates.max_overlong_share", 0.02),
            {"gates": {"max_overlong_share": 0.2}},
        ),
        (
            MERGED_MODEL,
            "merge_is_exact",
            ("sft.merge.max_error", 0.01),
            {"sft": {"merge": {"max_error": 0.1}}},
        ),
        (
            MERGED_MODEL,
            "saving_kept_the_merge",
            ("sft.merge.max_rounding_kl", 0.01),
            {"sft": {"merge": {"max_rounding_kl": 0.5}}},
        ),
    ],
)
def test_a_bar_that_is_lowered_shows(
    tmp_path: Path, asset: str, check: str, bar: tuple[str, float], lenient: dict[str, Any]
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:

        def judge(**overrides: Any) -> dg.AssetCheckEvaluation:
            checks = [each for each in CHECKS if {spec.asset_key for spec in each.check_specs} == {dg.AssetKey(asset)}]
            result = dg.materialize(
                [made(asset), *checks],
                resources=build_resources(load_profile("demo"), tmp_path),
                instance=instance,
                run_config={"resources": {"profile": {"config": overrides}}},
                raise_on_error=False,
            )
            return next(each for each in result.get_asset_check_evaluations() if each.check_name == check)

        red, green = judge(), judge(**lenient)
    assert not red.passed and green.passed
    setting, value = bar
    assert red.metadata["threshold"].value == value
    raised: Any = lenient
    for name in setting.split("."):
        raised = raised[name]
    assert green.metadata["threshold"].value == raised
    for found in (red, green):
        assert found.metadata["threshold_setting"].value == setting
        assert found.metadata["threshold_kind"].value == "at_most"


STEADY = [0.5, 0.52] * 8
RISING = [0.4, 0.42] * 4 + [0.9, 0.92] * 4


@pytest.mark.sees_red("reward_is_earned")
@pytest.mark.parametrize(
    ("rewards", "exact", "earned"),
    [(RISING, (0.7, 0.5), False), (RISING, (0.7, 0.67), True), (RISING, (0.5, 0.7), True), (STEADY, (0.7, 0.5), True)],
    ids=["paid for wrong answers", "within chance", "both rise", "only worse"],
)
def test_a_reward_that_rises_while_answers_get_worse_is_yellow(
    rewards: list[float], exact: tuple[float, float], earned: bool
) -> None:
    """64 turns of which 70 % are right: one standard error is 5.7 %."""
    report = GrpoResult.model_construct(
        log=[{"step": step, "reward": reward} for step, reward in enumerate(rewards)],
        probe=[{"step": step, PROBE_ROWS: 64, PROBE_EXACT: value} for step, value in zip((0, 16), exact, strict=True)],
    )
    verdict = judge_reward(report)
    assert (verdict.passed, verdict.severity) == (earned, dg.AssetCheckSeverity.WARN)


NAN = float("nan")


@pytest.mark.sees_red("loss_fell")
@pytest.mark.parametrize(
    ("losses", "passed"),
    [([4.0, 3.0, 2.0, 1.0], True), ([1.0, 2.0, 3.0, 4.0], False), ([2.0] * 4, False), ([4.0, NAN, 2.0, 1.0], False)],
    ids=["fell", "rose", "nothing learnt", "not a number"],
)
def test_a_loss_that_did_not_fall_is_red(tmp_path: Path, losses: list[float], passed: bool) -> None:
    report = REPORTS[LORA_ADAPTER].model_copy(update={"log": [{"loss": loss} for loss in losses]})
    assert judged(loss_fell, LORA_ADAPTER, report, tmp_path).passed is passed


@pytest.mark.sees_red("reward_did_not_fall")
@pytest.mark.parametrize(
    ("rewards", "passed"),
    [(RISING, True), (STEADY, True), (RISING[::-1], False), ([*RISING[:-1], NAN], False)],
    ids=["rose", "steady", "fell", "not a number"],
)
def test_a_reward_that_fell_is_red(tmp_path: Path, rewards: list[float], passed: bool) -> None:
    report = REPORTS[GRPO_POLICY].model_copy(update={"log": [{"reward": reward} for reward in rewards]})
    assert judged(reward_did_not_fall, GRPO_POLICY, report, tmp_path).passed is passed


@pytest.mark.sees_red("policy_moved")
@pytest.mark.parametrize(
    ("moved", "rounded", "passed"),
    [(0.05, 1e-9, True), (0.0, 0.0, False), (1e-4, 2e-4, False)],
    ids=["moved", "no-op", "lost in rounding"],
)
def test_a_policy_that_is_still_sft_is_red(tmp_path: Path, moved: float, rounded: float, passed: bool) -> None:
    merge = MERGE.model_copy(update={"adapter_kl": moved, "rounding_kl": rounded})
    report = REPORTS[GRPO_POLICY].model_copy(update={"merge": merge})
    assert judged(policy_moved, GRPO_POLICY, report, tmp_path).passed is passed


@pytest.mark.sees_red("checkpoint_is_usable")
def test_a_checkpoint_without_weights_is_red_and_says_what_is_missing(tmp_path: Path) -> None:
    def copy(out: Path, *left_out: str) -> None:
        shutil.copytree(EMBEDDED, out / MODEL_FOLDER, ignore=shutil.ignore_patterns(*left_out))

    def verdict(*left_out: str) -> dg.AssetCheckEvaluation:
        home = tmp_path / f"home-{len(left_out)}"
        return judge([checkpoint_is_usable], BASE_MODEL, lambda out: copy(out, *left_out), home)["checkpoint_is_usable"]

    assert verdict().passed
    broken = verdict("*.safetensors")
    assert not broken.passed and "has no .safetensors file" in str(broken.description)


def judged(check: dg.AssetChecksDefinition, asset: str, report: JobResult, home: Path) -> dg.AssetCheckEvaluation:
    """What one check says of an artefact with this report."""
    (found,) = judge([check], asset, lambda out: write_json(out / REPORT, report.model_dump()), home).values()
    return found


def test_without_a_probe_nothing_is_said_of_it() -> None:
    verdict = judge_reward(GrpoResult.model_construct(log=[], probe=[]))
    assert verdict.passed and "grpo.probe_rows is 0" in str(verdict.description)
