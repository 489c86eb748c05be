"""SFT as a job on the embedded model: bf16 on a processor, real epochs, short trainings, validation, early stopping."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from fc_assets.training.jobs import SftJob, SftRun
from fc_assets.training.sft.sft_job import train
from fc_assets_tests.training.sft.conftest import Messages

pytestmark = pytest.mark.slow


def run(job: SftJob) -> SftRun:
    return train(job, Messages())


def test_bf16_with_checkpointing_and_epochs_learns_on_a_processor(sft_job: Callable[..., SftJob]) -> None:
    changed = {"max_steps": -1, "epochs": 3.0, "learning_rate": 8e-3, "max_length": 200, "micro_batch_tokens": 400}
    report = run(sft_job(bf16=True, gradient_checkpointing=True, **changed)).report
    assert report.steps == 3 * math.ceil(report.turns / 8) > 3
    losses = [float(record["loss"]) for record in report.log]
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < 0.7 * losses[0]


def test_fewer_steps_than_log_every_still_have_a_log(sft_job: Callable[..., SftJob]) -> None:
    report = run(sft_job(max_steps=3, log_every=10, save_every=10)).report
    assert [record["step"] for record in report.log] == [3]
    assert report.final_loss == report.log[-1]["loss"]
    assert [span.row for span in report.learnt_spans] == [f"row-{number}" for number in range(10)]
    assert '"minutes": 5' in report.learnt_spans[4].text


def test_the_checkpoint_that_answers_best_is_kept(
    sft_job: Callable[..., SftJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of three validations has the most exact matches: its adapter is the one that is saved."""
    from fc_assets.training.sft import probe

    exact = iter([1, 3, 2])
    seen: list[dict[str, torch.Tensor]] = []

    def answers(self: Any, model: Any) -> tuple[int, dict[str, float]]:
        count = next(exact)
        seen.append({name: weight.detach().clone() for name, weight in model.named_parameters() if "lora" in name})
        return count, {"parse_rate": 1.0, "exact_match": count / 6}

    monkeypatch.setattr(probe.AnswerProbe, "__call__", answers)
    job = sft_job(validation_rows=6, save_every=2, max_steps=6)
    report = run(job).report
    assert (report.best_step, report.held_out, report.turns) == (4, 6, 42)
    assert [(record["step"], record["exact_match"]) for record in report.validation] == [
        (2, 1 / 6),
        (4, 0.5),
        (6, 1 / 3),
    ]
    saved = load_file(job.out / "adapter_model.safetensors")
    for name, weight in saved.items():
        torch.testing.assert_close(weight, seen[1][name.replace(".weight", ".default.weight")])


def test_training_stops_when_no_validation_is_better(
    sft_job: Callable[..., SftJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fc_assets.training.sft import probe

    exact = iter([5, 4, 3, 2, 1])
    monkeypatch.setattr(probe.AnswerProbe, "__call__", lambda *_: (next(exact), {"parse_rate": 1, "exact_match": 0.5}))
    report = run(sft_job(validation_rows=6, early_stopping=2, save_every=1, max_steps=20)).report
    assert (report.steps, report.best_step) == (3, 1)


def test_the_same_job_gives_the_same_report_and_adapter(sft_job: Callable[..., SftJob]) -> None:
    """With validation, which generates in the middle of training."""
    changed: dict[str, Any] = {"validation_rows": 6, "max_steps": 4}
    first, second = sft_job("first", **changed), sft_job("second", **changed)
    one, other = run(first).report, run(second).report
    assert one == other
    assert len(one.validation) == 2
    for file in sorted(path.name for path in first.out.iterdir()):
        assert (first.out / file).read_bytes() == (second.out / file).read_bytes(), file
