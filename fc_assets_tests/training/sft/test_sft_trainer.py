"""A step that is split into passes learns, logs and validates what the same step in one pass does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from fc_assets.training.sft.sft_trainer import selection_score

pytestmark = pytest.mark.slow

FIGURES = ("loss", "mean_token_accuracy", "entropy", "grad_norm", "num_tokens")


class Gradients(TrainerCallback):
    """The gradients of each step, before they change the weights."""

    def __init__(self) -> None:
        self.steps: list[dict[str, torch.Tensor]] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
        learnt = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
        self.steps.append(learnt)


def trained(trainer: Any) -> tuple[list[dict[str, torch.Tensor]], list[dict[str, float]]]:
    gradients = Gradients()
    trainer.add_callback(gradients)
    trainer.train()
    return gradients.steps, [record for record in trainer.state.log_history if "loss" in record]


def passes(trainer: Any) -> list[int]:
    """Appends the padded tokens of each pass as it is made."""
    seen: list[int] = []
    compute_loss = trainer.compute_loss

    def counting(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(inputs["input_ids"].numel())
        return compute_loss(model, inputs, *args, **kwargs)

    trainer.compute_loss = counting
    return seen


@pytest.mark.parametrize("checkpointing", [False, True])
def test_the_gradient_and_the_log_are_those_of_one_big_batch(
    build_trainer: Callable[..., Any], checkpointing: bool
) -> None:
    whole = build_trainer("whole", gradient_checkpointing=checkpointing)
    parts = build_trainer("parts", gradient_checkpointing=checkpointing, micro_batch_tokens=700)
    tokens = passes(parts)
    wanted, wanted_log = trained(whole)
    found, found_log = trained(parts)
    assert len(tokens) > 3 * len(found) and max(tokens) <= 700
    for one, other in zip(wanted, found, strict=True):
        for name in one:
            torch.testing.assert_close(other[name], one[name], rtol=1e-4, atol=1e-5)
    for one, other in zip(wanted_log, found_log, strict=True):
        assert {name: other[name] for name in FIGURES} == pytest.approx({name: one[name] for name in FIGURES}, abs=1e-5)


def test_a_resumed_training_has_the_same_curve(build_trainer: Callable[..., Any], tmp_path: Path) -> None:
    changed = {"micro_batch_tokens": 700, "scheduler": "constant"}
    _, whole = trained(build_trainer("whole", **changed))
    build_trainer("cut", **changed, max_steps=2).train()
    resumed = build_trainer("cut", **changed)
    resumed.train(resume_from_checkpoint=str(tmp_path / "cut" / "resume" / "checkpoints" / "checkpoint-2"))
    log = [record for record in resumed.state.log_history if "loss" in record]
    assert [record["loss"] for record in log] == [record["loss"] for record in whole]


def test_the_validation_loss_is_the_mean_over_learnt_tokens(build_trainer: Callable[..., Any]) -> None:
    changed = {"validation_rows": 8, "max_steps": 2}
    whole, parts = build_trainer("whole", **changed), build_trainer("parts", **changed, micro_batch_tokens=700)
    found = []
    for trainer in (whole, parts):
        trainer.judge_answers = lambda model: (3, {"parse_rate": 0.5, "exact_match": 0.375})
        found.append(trainer.evaluate())
    names = ("eval_loss", "eval_mean_token_accuracy", "eval_entropy", "eval_selection")
    assert [found[1][name] for name in names] == pytest.approx([found[0][name] for name in names], abs=1e-5)
    with torch.no_grad():
        sums = [
            whole.model(input_ids=torch.tensor([row["input_ids"]]), labels=torch.tensor([row["labels"]]))
            for row in whole.eval_dataset
        ]
    learnt = [sum(label != -100 for label in row["labels"]) for row in whole.eval_dataset]
    mean = sum(float(one.loss) * count for one, count in zip(sums, learnt, strict=True)) / sum(learnt)
    assert found[0]["eval_loss"] == pytest.approx(mean, abs=1e-4)
    assert found[0]["eval_exact_match"] == 0.375


def test_two_processes_learn_what_one_does(split: Path, tmp_path: Path) -> None:
    """Their rows differ in length, so that each alone would make another number of passes than the other."""
    found = []
    for processes, rows in ((1, 8), (2, 4)):
        out = tmp_path / f"{processes}.pt"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        command += ["-m", "fc_assets_tests.support.sft_process", str(split), str(out), str(rows)]
        subprocess.run(command, check=True, timeout=280)
        found.append(torch.load(out))
    one, two = found
    assert two["log"] == pytest.approx(one["log"], abs=1e-5)
    for name, gradient in one["gradients"].items():
        torch.testing.assert_close(two["gradients"][name], gradient, rtol=1e-4, atol=1e-5)


def test_exact_matches_come_before_the_loss() -> None:
    assert selection_score(5, 9.0) > selection_score(4, 0.0)
    assert selection_score(4, 0.1) > selection_score(4, 0.2)
