"""The gates on training: each is red beyond its bar, and records the bar that it judged by."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.names import GRPO_POLICY, LORA_ADAPTER, MERGED_MODEL
from fc_assets.profiles import load_profile
from fc_assets.training.checks import CHECKS, judge_reward
from fc_assets.training.jobs import GrpoResult, SftResult
from fc_assets.training.training_log import PROBE_EXACT, PROBE_ROWS
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


def test_without_a_probe_nothing_is_said_of_it() -> None:
    verdict = judge_reward(GrpoResult.model_construct(log=[], probe=[]))
    assert verdict.passed and "grpo.probe_rows is 0" in str(verdict.description)
