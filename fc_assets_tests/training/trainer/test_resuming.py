"""A checkpoint is used only whole: whatever a kill or a full disk makes of one, the curve stays the same."""

import shutil
from pathlib import Path

import pytest
import torch

from fc_assets.names import MANIFEST
from fc_assets.training.jobs import LogRecord
from fc_assets.training.trainer.running import run_trainer
from fc_assets_tests.support.training import Cut, CutError, ReadLog, toy_settings, toy_trainer, train_toy

FILES = (
    "adapter_config.json adapter_model.safetensors optimizer.pt rng_state.pth scheduler.pt trainer_state.json "
    f"training_args.bin {MANIFEST}"
).split()


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> list[LogRecord]:
    run = train_toy(tmp_path_factory.mktemp("whole") / "checkpoints", ReadLog())
    return run.logged("loss")


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that was cut in its sixth step: checkpoints of steps 2 and 4."""
    folder = tmp_path_factory.mktemp("cut") / "checkpoints"
    with pytest.raises(CutError):
        train_toy(folder, ReadLog(), cut_at=5)
    return folder


@pytest.fixture
def folder(cut: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cut, tmp_path / "checkpoints"))


def test_whole_checkpoints_resume_at_the_last(folder: Path, uninterrupted: list[LogRecord]) -> None:
    log = ReadLog()
    assert train_toy(folder, log).logged("loss") == uninterrupted
    assert "resuming from checkpoint-4" in log.text
    assert "removed" not in log.text


def test_each_file_of_a_checkpoint_is_tried(folder: Path) -> None:
    assert {path.name for path in (folder / "checkpoint-4").iterdir()} - {"README.md"} == set(FILES)


@pytest.mark.parametrize("harm", [truncate, Path.unlink, flip], ids=["truncated", "missing", "flipped"])
@pytest.mark.parametrize("name", FILES)
def test_a_spoilt_checkpoint_is_removed_and_the_one_before_it_used(
    name: str, harm, folder: Path, uninterrupted: list[LogRecord]
) -> None:
    harm(folder / "checkpoint-4" / name)
    log = ReadLog()
    assert train_toy(folder, log).logged("loss") == uninterrupted
    assert "removed checkpoint-4" in log.text
    if name != MANIFEST:
        assert f"{name} is {'missing' if harm is Path.unlink else 'not what was written'}" in log.text
    assert "resuming from checkpoint-2" in log.text


def test_a_half_written_newest_checkpoint_is_removed(folder: Path, uninterrupted: list[LogRecord]) -> None:
    newest = folder / "checkpoint-5"
    newest.mkdir()
    (newest / "adapter_model.safetensors").write_bytes(b"half")
    log = ReadLog()
    assert train_toy(folder, log).logged("loss") == uninterrupted
    assert "removed checkpoint-5, which an earlier attempt left: it was not written to its end" in log.text
    assert "resuming from checkpoint-4" in log.text
    assert not newest.exists()


def test_the_numbers_of_checkpoints_are_numbers(folder: Path, uninterrupted: list[LogRecord]) -> None:
    """10 comes after 4, and an empty folder of a killed start is none."""
    (folder / "checkpoint-10").mkdir()
    log = ReadLog()
    assert train_toy(folder, log).logged("loss") == uninterrupted
    assert log.lines[0].startswith("removed checkpoint-10") and log.lines[1].startswith("resuming from checkpoint-4")


def test_with_no_whole_checkpoint_training_starts_anew_and_says_so(
    folder: Path, uninterrupted: list[LogRecord]
) -> None:
    for checkpoint in ("checkpoint-2", "checkpoint-4"):
        flip(folder / checkpoint / "adapter_model.safetensors")
    log = ReadLog()
    assert train_toy(folder, log).logged("loss") == uninterrupted
    assert "no whole checkpoint is left, so training starts anew" in log.text


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    first = train_toy(tmp_path / "checkpoints", ReadLog())
    log = ReadLog()
    again = train_toy(tmp_path / "checkpoints", log, cut_at=6)  # one step more would raise
    assert again.logged("loss") == first.logged("loss")
    assert again.steps == first.steps == 6
    assert "nothing is trained again" in log.text


@pytest.mark.parametrize("best", [False, True], ids=["last", "best"])
def test_a_finished_training_has_the_weights_that_it_ended_with(best: bool, tmp_path: Path) -> None:
    keep_best = {  # the loss of these few random rows rises, so that the best checkpoint is an early one
        "eval_strategy": "steps",
        "eval_steps": 2,
        "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
    }
    first, again = (toy_trainer(tmp_path, **(keep_best if best else {})) for _ in range(2))
    run_trainer(first, tmp_path, ReadLog())
    if best:
        assert first.state.best_global_step < 6
    run_trainer(again, tmp_path, ReadLog())
    for (name, ended), (_, found) in zip(first.model.named_parameters(), again.model.named_parameters(), strict=True):
        assert torch.equal(ended, found), name


def test_in_bf16_the_curve_is_the_same_too(tmp_path: Path) -> None:
    settings = toy_settings(bf16=True)
    whole = run_trainer(toy_trainer(tmp_path / "whole", settings), tmp_path / "whole", ReadLog())
    cut = toy_trainer(tmp_path / "cut", settings)
    cut.add_callback(Cut(5))
    with pytest.raises(CutError):
        run_trainer(cut, tmp_path / "cut", ReadLog())
    resumed = run_trainer(toy_trainer(tmp_path / "cut", settings), tmp_path / "cut", ReadLog())
    assert resumed.logged("loss") == whole.logged("loss")
