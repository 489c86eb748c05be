"""Event files are written where the job says; a tracker that is not there is named, with what to do."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from fc_assets.errors import FcAssetsError
from fc_assets.training.trainer import tracking


class Trainer:
    def __init__(self) -> None:
        self.callbacks: list[Any] = []

    def add_callback(self, callback: Any) -> None:
        self.callbacks.append(callback)


class Log:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)


def test_figures_are_written_as_events(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = Trainer()
    tracking.track(trainer, tmp_path / "events", (), Log())
    (callback,) = trainer.callbacks
    arguments, control = TrainingArguments(output_dir=str(tmp_path / "out"), use_cpu=True), TrainerControl()
    callback.on_train_begin(arguments, TrainerState(), control)
    for step in (1, 2):
        callback.on_log(arguments, TrainerState(global_step=step), control, logs={"loss": 1 / step})
    callback.on_train_end(arguments, TrainerState(), control)
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 1.0), (2, 0.5)]
    assert not (tmp_path / "out").exists()
    (written,) = (tmp_path / "events").iterdir()
    assert str(tmp_path).encode() not in written.read_bytes(), "a home can be moved"


def test_without_tensorboard_the_log_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tracking, "is_tensorboard_available", lambda: False)
    log, trainer = Log(), Trainer()
    tracking.track(trainer, tmp_path, (), log)
    assert trainer.callbacks == [] and "tensorboard is not installed" in log.lines[0]


def test_a_tracker_is_added_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tracking, "is_tensorboard_available", lambda: False)
    monkeypatch.setitem(tracking.INTEGRATION_TO_CALLBACK, "mlflow", lambda: SimpleNamespace(name="mlflow"))
    trainer = Trainer()
    tracking.track(trainer, tmp_path, ("mlflow",), Log())
    assert [callback.name for callback in trainer.callbacks] == ["mlflow"]


def test_an_unknown_or_absent_tracker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FcAssetsError, match=r"trackers\.report_to names 'wandbb', which transformers does not know"):
        tracking.track(Trainer(), tmp_path, ("wandbb",), Log())
    with pytest.raises(FcAssetsError, match=r"trackers\.report_to names 'comet_ml', which cannot be used here"):
        tracking.track(Trainer(), tmp_path, ("comet_ml",), Log())
