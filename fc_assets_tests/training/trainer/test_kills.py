"""The trainers as they run, killed at seeded moments, some in the middle of a checkpoint: the curve is the same."""

import os
from pathlib import Path

import pytest

from fc_assets.profiles import load_profile
from fc_assets_tests.support.training import Kills, figures, finish, finish_with_kills, grpo_job, sft_job, start

pytestmark = pytest.mark.slow
CLOSE = 1e-5


def assert_same_curve(found: list[list[tuple[str, float]]], expected: list[list[tuple[str, float]]]) -> None:
    assert len(found) == len(expected)
    for attempt, whole in zip(found, expected, strict=True):
        assert [name for name, _ in attempt] == [name for name, _ in whole]
        assert [value for _, value in attempt] == pytest.approx([value for _, value in whole], abs=CLOSE), attempt


def assert_killed(kills: Kills, log: str) -> None:
    assert kills.writing >= 1 and kills.elsewhere >= 1, kills
    assert "it was not written to its end" in log
    assert "resuming from checkpoint-" in log


@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
def test_sft_that_was_killed_has_the_curve_of_one_that_was_not(bf16: bool, tmp_path: Path) -> None:
    demo = load_profile("demo").sft
    lora = demo.lora.model_copy(update={"dropout": 0.1})
    few = {"lora": lora, "max_steps": 10, "save_every": 2, "log_every": 3, "bf16": bf16}
    if bf16:  # some processors take seconds for a step
        few |= {"max_steps": 4, "save_every": 1}
    settings = demo.model_copy(update=few)
    whole = finish(sft_job(tmp_path / "whole", settings), tmp_path / "whole" / "scratch")
    job = sft_job(tmp_path / "killed", settings)
    report, kills, log = finish_with_kills(job, tmp_path / "killed" / "scratch", seed=7, kills=2 if bf16 else 4)
    assert_killed(kills, log)
    assert report.steps == whole.steps == few["max_steps"]
    assert_same_curve(figures(report), figures(whole))
    same = [(tmp_path / name / "out" / "adapter" / "adapter_model.safetensors") for name in ("whole", "killed")]
    assert same[0].read_bytes() == same[1].read_bytes()


def test_grpo_that_was_killed_draws_the_same_samples(tmp_path: Path) -> None:
    demo = load_profile("demo").grpo
    few = {"steps": 6, "save_every": 2, "log_every": 1, "prompts_per_step": 2, "generations": 4, "max_completion": 32}
    settings = demo.model_copy(update=few)
    whole = finish(grpo_job(tmp_path / "whole", settings), tmp_path / "whole" / "scratch")
    job = grpo_job(tmp_path / "killed", settings)
    report, kills, log = finish_with_kills(job, tmp_path / "killed" / "scratch", seed=8, kills=4)
    assert_killed(kills, log)
    assert_same_curve(figures(report), figures(whole))
    assert (report.first_samples, report.last_samples) == (whole.first_samples, whole.last_samples)
    assert len({sample.completion for sample in whole.first_samples + whole.last_samples}) > 2, "nothing was sampled"


def test_a_second_trainer_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    settings = load_profile("demo").sft.model_copy(update={"max_steps": 4000})
    job = sft_job(tmp_path, settings)
    first = start(job, tmp_path / "first")
    try:
        while not (job.checkpoints / "holder.json").is_file():
            assert first.code is None
        second = start(job, tmp_path / "second")
        second.process.join(120)
        assert second.code == 1
        last = second.log.read_text().splitlines()[-1]
        assert last.startswith(
            f"error: Process {first.process.pid} on {os.uname().nodename} (started by hand) works in"
        )
        assert first.code is None
    finally:
        first.kill()
