"""The jobs survive the way through their files, and results are the reports that readers know."""

import json
import math
from pathlib import Path

from fc_assets.foundation.child_processes.jobs import write_job
from fc_assets.names import MODEL_FOLDER
from fc_assets.profiles import GrpoSettings
from fc_assets.training.jobs import (
    BaseModelResult,
    CheckpointSource,
    GrpoJob,
    GrpoResult,
    LearntSpan,
    SampledCompletion,
    SftResult,
    TrainingCost,
)

SFT_RESULT = SftResult(
    log=[{"step": 1, "loss": math.nan}, {"step": 2, "loss": 0.5}],
    steps=2,
    trainable_parameters=10,
    parameters=100,
    final_loss=0.5,
    token_accuracy=0.9,
    turns=3,
    overlong=["row-7"],
    tokens_mean=4.5,
    tokens_max=6,
    learnt_spans=[LearntSpan("row-1", "<think>")],
    validation=[],
    best_step=None,
    held_out=0,
)


def test_a_result_keeps_nan_and_whole_numbers() -> None:
    back = SftResult.model_validate_json(SFT_RESULT.model_dump_json())
    assert math.isnan(back.log[0]["loss"])
    assert isinstance(back.log[0]["step"], int)
    assert back.model_dump_json() == SFT_RESULT.model_dump_json()


def test_memory_of_a_gpu_is_reported_only_where_there_is_one() -> None:
    cost = TrainingCost(host="here", seconds=1.5, step_seconds=[], peak_rss_mb=50.0)
    assert "peak_gpu_mb" not in cost.model_dump(mode="json")
    with_gpu = cost.model_copy(update={"peak_gpu_mb": 1000.0})
    assert json.loads(with_gpu.model_dump_json())["peak_gpu_mb"] == 1000.0
    assert TrainingCost.model_validate_json(with_gpu.model_dump_json()).peak_gpu_mb == 1000.0


def test_the_base_models_report_begins_with_its_source() -> None:
    assert list(BaseModelResult.model_fields)[:4] == ["name", "revision", "source", "architecture"]


def test_a_job_comes_back_from_its_file(tmp_path: Path) -> None:
    job = GrpoJob(
        model=tmp_path / MODEL_FOLDER,
        base=tmp_path / "base",
        base_source=CheckpointSource(name="Qwen/Qwen3-0.6B", revision="c1899de", source="hub"),
        sft_adapter=tmp_path / "sft",
        train=tmp_path / "train.json",
        settings=GrpoSettings(steps=3, beta=0.1),
        max_difference=0.25,
        out=tmp_path,
        checkpoints=tmp_path / "checkpoints",
        events=tmp_path / "events",
        trackers=("mlflow",),
    )
    *_, file = write_job(job, tmp_path).argv
    assert GrpoJob.model_validate(json.loads(Path(file).read_text())["job"]) == job


def test_samples_are_plain_records_in_the_report() -> None:
    result = GrpoResult.model_construct(last_samples=[SampledCompletion("row-1", "text", 0.5)])
    assert result.model_dump()["last_samples"] == [{"row": "row-1", "completion": "text", "reward": 0.5}]
