"""The arm's checks: each is red where the preference was not learnt, and none of them stops anything."""

from pathlib import Path

import dagster as dg
import pytest

from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.profiles import load_profile
from fc_assets.training.dpo.checks import margin_is_finite, preference_rose
from fc_assets.training.dpo.jobs import DpoResult, DpoTrainingResult, PairCounts
from fc_assets_tests.training.conftest import MERGE

NAN = float("nan")


def report(accuracies: list[float], margins: list[float], losses: list[float]) -> DpoResult:
    log = [
        {"rewards/accuracies": accuracy, "rewards/margins": margin, "loss": loss}
        for accuracy, margin, loss in zip(accuracies, margins, losses, strict=True)
    ]
    return DpoResult(
        pairs=PairCounts.model_validate(dict.fromkeys(PairCounts.model_fields, 0) | {"unfit": [], "capped": []}),
        training=DpoTrainingResult(
            log=log, steps=4, trainable_parameters=1, parameters=2, merge=MERGE, adapter_rounding_kl=0.0
        ),
    )


@pytest.mark.sees_red("preference_rose", "margin_is_finite")
@pytest.mark.parametrize(
    ("accuracies", "margins", "losses", "red"),
    [
        ([0.0, 0.6, 0.8, 0.9], [0.0, 0.1, 0.2, 0.3], [0.7, 0.6, 0.5, 0.4], set()),
        ([0.9, 0.8, 0.7, 0.6], [0.0, 0.1, 0.2, 0.3], [0.7, 0.6, 0.5, 0.4], {"preference_rose"}),
        ([0.0, 0.2, 0.4, 0.5], [0.0, 0.1, 0.2, 0.3], [0.7, 0.6, 0.5, 0.4], {"preference_rose"}),
        ([0.0, 0.6, 0.8, 0.9], [0.0, NAN, 0.2, 0.3], [0.7, 0.6, 0.5, 0.4], {"margin_is_finite"}),
        ([0.0, 0.6, 0.8, 0.9], [0.0, 0.1, 0.2, 0.3], [0.7, 0.6, float("inf"), 0.4], {"margin_is_finite"}),
        ([0.0, 0.6, 0.8, 0.9], [0.3, 0.2, 0.1, -0.1], [0.7, 0.6, 0.5, 0.4], {"margin_is_finite"}),
        ([0.0, 0.6, 0.8, 0.9], [0.0, 0.1, 0.2, NAN], [0.7, 0.6, 0.5, 0.4], {"margin_is_finite"}),
    ],
    ids=["learnt", "fell", "chance", "margin nan", "loss inf", "margin negative", "margin nan at last"],
)
def test_each_check_is_red_when_its_subject_is_broken(
    tmp_path: Path, accuracies: list[float], margins: list[float], losses: list[float], red: set[str]
) -> None:
    @dg.asset
    def dpo_policy(
        context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]
    ) -> dg.MaterializeResult[Artifact]:
        with runtime.step(context) as step:
            return step.publish([], {}, report=report(accuracies, margins, losses))

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [dpo_policy, preference_rose, margin_is_finite],
            resources=build_resources(load_profile("demo"), tmp_path),
            instance=instance,
        )
    found = {each.check_name: each for each in result.get_asset_check_evaluations()}
    assert {name for name, evaluation in found.items() if not evaluation.passed} == red
    assert {evaluation.severity for evaluation in found.values()} == {dg.AssetCheckSeverity.WARN}
