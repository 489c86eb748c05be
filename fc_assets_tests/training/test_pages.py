"""What the pages of the training assets show of a run, without training: the processes' results are given."""

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.child_processes.jobs import Job, JobResult
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.names import BASE_MODEL, GRPO_POLICY, LORA_ADAPTER, MERGED_MODEL, MODEL_FOLDER, SHAREGPT_TRAIN
from fc_assets.profiles import EMBEDDED, RewardWeights, load_profile
from fc_assets.training.assets import ASSETS
from fc_assets.training.jobs import (
    BaseModelResult,
    GrpoJob,
    GrpoResult,
    GrpoRun,
    MergeJob,
    MergeResult,
    SftJob,
    SftResult,
    SftRun,
    TrainingCost,
)
from fc_assets.training.training_log import GRPO_COLUMNS, SFT_COLUMNS, reward_column

COLUMNS = [*SFT_COLUMNS, *GRPO_COLUMNS, *map(reward_column, RewardWeights.model_fields)]
LOG = [dict.fromkeys(COLUMNS, 0.5) | {"step": step} for step in range(4)]
BASE = BaseModelResult.model_validate(
    dict.fromkeys(BaseModelResult.model_fields, 1)
    | dict.fromkeys(("name", "revision", "source", "architecture", "dtype"), "x")
)
MERGE = MergeResult.model_validate(dict.fromkeys(MergeResult.model_fields, 1))


def result(form: type[JobResult], **values: object) -> Any:
    return form.model_validate(dict.fromkeys(form.model_fields, 0) | {"log": LOG} | values)


def results(cost: TrainingCost) -> dict[type[Job[Any]], JobResult]:
    samples: dict[str, object] = {"first_samples": [], "last_samples": []}
    return {
        SftJob: SftRun(report=result(SftResult, overlong=[], validation=[], learnt_spans=[]), cost=cost),
        MergeJob: MERGE,
        GrpoJob: GrpoRun(
            report=result(GrpoResult, capped=[], overlong=[], probe=[], merge=MERGE, **samples), cost=cost
        ),
    }


@dg.asset(name=BASE_MODEL)
def base(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        (step.out / MODEL_FOLDER).mkdir()
        shutil.copyfile(EMBEDDED / "config.json", step.out / MODEL_FOLDER / "config.json")
        return step.publish([], {}, report=BASE)


@dg.asset(name=SHAREGPT_TRAIN)
def train(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        (step.out / "rows").write_text("[]")
        return step.publish([], {})


@pytest.mark.parametrize("gpu", [None, 7000.0])
def test_memory_of_the_gpu_is_shown_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gpu: float | None
) -> None:
    cost = TrainingCost(host="here", seconds=1.0, step_seconds=[], peak_rss_mb=50.0, peak_gpu_mb=gpu)
    given = results(cost)

    def done_at_once(self: Runtime, context: dg.AssetExecutionContext, job: Job[Any], scratch: Path) -> JobResult:
        if isinstance(job, MergeJob):
            shutil.copytree(job.model, job.out)
        return given[type(job)]

    monkeypatch.setattr(Runtime, "run_job", done_at_once)
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [base, train, *(asset for asset in ASSETS if asset.key != dg.AssetKey(BASE_MODEL))],
            resources=build_resources(load_profile("demo"), tmp_path),
            instance=instance,
        )
        for name in (LORA_ADAPTER, GRPO_POLICY):
            (shown,) = done.asset_materializations_for_node(name)
            peak = shown.metadata.get("peak_gpu_mb")
            assert (peak.value if peak else None) == gpu
            assert shown.metadata["peak_rss_mb"].value == 50.0
        (merged,) = done.asset_materializations_for_node(MERGED_MODEL)
        assert merged.metadata["rounding_kl"].value == 1
