"""The gates on training: each is red beyond its bar, and records the bar that it judged by."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.names import LORA_ADAPTER, MERGED_MODEL
from fc_assets.profiles import load_profile
from fc_assets.training.checks import CHECKS
from fc_assets.training.jobs import MergeResult, SftResult

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
    MERGED_MODEL: MergeResult(max_logit_difference=0.01, adapter_effect=3.0, turns_compared=1, parameters=1),
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
            MERGED_MODEL,
            "merge_is_exact",
            ("sft.max_merge_logit_difference", 1e-3),
            {"sft": {"max_merge_logit_difference": 0.5}},
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
    (section,) = lenient.values()
    assert [green.metadata["threshold"].value] == list(section.values())
    for found in (red, green):
        assert found.metadata["threshold_setting"].value == setting
        assert found.metadata["threshold_kind"].value == "at_most"
