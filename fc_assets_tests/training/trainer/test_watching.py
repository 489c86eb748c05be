"""Training that diverges or runs out of memory stops at once and says where, with what to change."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import GrpoSettings, SftSettings
from fc_assets.training.trainer.running import run_trainer
from fc_assets.training.trainer.watching import explained
from fc_assets_tests.support.training import ReadLog, toy_settings, toy_trainer, train_toy


def sealed(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob("checkpoint-*/MANIFEST.json"))


def test_a_huge_learning_rate_stops_training_before_weights_that_are_no_numbers_are_saved(tmp_path: Path) -> None:
    settings = toy_settings(learning_rate=1e30, warmup_share=0.0, scheduler="constant")
    with pytest.raises(FcAssetsError) as stopped:
        run_trainer(toy_trainer(tmp_path, settings), tmp_path, ReadLog())
    assert str(stopped.value).startswith("At step 2 the loss is nan, on the rows r")
    assert "Change sft.learning_rate to 1e+29 (it is 1e+30)" in str(stopped.value)
    assert sealed(tmp_path) == []


def test_a_row_without_a_finite_loss_is_named(tmp_path: Path) -> None:
    settings = toy_settings(save_every=1)
    with pytest.raises(FcAssetsError, match=r"At step (\d) the loss is nan, on the rows (.*): training") as stopped:
        run_trainer(toy_trainer(tmp_path, settings, poisoned=True), tmp_path, ReadLog())
    step, rows = stopped.match(r"At step (\d)"), str(stopped.value).partition("rows ")[2].partition(":")[0].split(", ")
    assert step and "r7" in rows and len(rows) <= 4, "the rows of one step of the optimizer, and no others"
    assert len(sealed(tmp_path)) <= 2 and all((tmp_path / name / "optimizer.pt").is_file() for name in sealed(tmp_path))


def test_a_gradient_that_is_not_finite_is_not_applied(tmp_path: Path) -> None:
    """The loss may be finite all the same: the square root of 0 has an infinite slope."""
    trainer = toy_trainer(tmp_path)
    first = next(parameter for parameter in trainer.model.parameters() if parameter.requires_grad)
    first.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(FcAssetsError, match=r"At step 1 the norm of the gradient is (nan|inf), on the rows"):
        run_trainer(trainer, tmp_path, ReadLog())
    assert bool(torch.isfinite(first).all())


def test_weights_from_which_nothing_can_be_sampled_have_diverged(tmp_path: Path) -> None:
    """GRPO samples before it computes a loss."""
    trainer = toy_trainer(tmp_path)
    trainer.model.register_forward_hook(lambda *_: torch.multinomial(torch.tensor([torch.nan, 1.0]), 1))
    with pytest.raises(FcAssetsError, match=r"At step 1 a probability of the model is nan, on the rows r"):
        run_trainer(trainer, tmp_path, ReadLog())


class Spoil(TrainerCallback):
    """Weights that are no numbers although every gradient was finite: an optimizer's overflow."""

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step == 4:
            next(parameter for parameter in model.parameters() if parameter.requires_grad).data.fill_(torch.nan)


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path)
    trainer.add_callback(Spoil())
    with pytest.raises(FcAssetsError, match=r"After step 4 the weights of .*lora_A.* are not finite"):
        run_trainer(trainer, tmp_path, ReadLog())
    assert sealed(tmp_path) == ["checkpoint-2"]
    log = ReadLog()
    assert train_toy(tmp_path, log).steps == 6
    assert "resuming from checkpoint-2" in log.text


class NoMemory(TrainerCallback):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has"),
            r"The GPU's memory is out",
        ),
        (MemoryError(), r"The machine's memory is out: of \d+\.\d GiB, training took \d+\.\d GiB at its peak"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), r"The machine's memory is out: of"),
    ],
)
def test_out_of_memory_is_a_sentence_with_numbers_and_three_settings(
    error: BaseException, said: str, tmp_path: Path
) -> None:
    trainer = toy_trainer(tmp_path)
    trainer.add_callback(NoMemory(error))
    with pytest.raises(FcAssetsError, match=said) as stopped:
        run_trainer(trainer, tmp_path, ReadLog())
    assert str(stopped.value).count("; or ") == 2
    assert "sft.gradient_checkpointing to true" in str(stopped.value)
    assert "sft.max_length to 256" in str(stopped.value)


def test_another_error_of_torch_is_not_taken_for_want_of_memory(tmp_path: Path) -> None:
    trainer = toy_trainer(tmp_path)
    trainer.add_callback(NoMemory(RuntimeError("shapes cannot be multiplied")))
    with pytest.raises(RuntimeError, match="shapes"):
        run_trainer(trainer, tmp_path, ReadLog())


@pytest.mark.parametrize(("section", "settings"), [("sft", SftSettings()), ("grpo", GrpoSettings())])
def test_the_settings_that_are_advised_are_settings_and_smaller(section: str, settings: SftSettings) -> None:
    with pytest.raises(FcAssetsError) as stopped, explained(section, settings):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    changes = dict(
        word.split(" to ")[:2] for word in str(stopped.value).partition("Change ")[2].partition(";  ")[0].split("; or ")
    )
    assert len(changes) == 3
    for name in changes:
        assert name.split(".")[0] == section and name.split(".")[1] in type(settings).model_fields
