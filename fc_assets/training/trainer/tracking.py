"""Where a training's figures go beside its report: TensorBoard's event files, and the trackers that a profile names.

Event files hold times, so they are a record of the run and no part of the artefact. The log that people read, and the
report, are `running` and the jobs' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers.integrations import TensorBoardCallback, is_tensorboard_available
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log


def track(trainer: Any, events: Path, trackers: Sequence[str], log: Log) -> None:
    """Have `trainer` write its figures as TensorBoard events into the folder `events`, and to `trackers`.

    Trackers have the names that transformers gives them in `report_to`. Raises `FcAssetsError` for a name that it does
    not know, and for a tracker whose package is not installed.
    """
    if is_tensorboard_available():
        from torch.utils.tensorboard import SummaryWriter

        trainer.add_callback(_Figures(SummaryWriter(log_dir=str(events))))
    else:
        log.info("tensorboard is not installed, so that no event files are written")
    for name in trackers:
        trainer.add_callback(_callback(name))


class _Figures(TensorBoardCallback):  # type: ignore[misc]  # transformers' callbacks are untyped
    """Writes figures alone: the trainer's arguments and the model's configuration hold absolute paths, which would tie
    the files to the place where they were made. The settings stand in the artefact's manifest."""

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        pass


def _callback(name: str) -> Any:
    if name not in INTEGRATION_TO_CALLBACK:
        known = ", ".join(sorted(INTEGRATION_TO_CALLBACK))
        raise FcAssetsError(f"trackers.report_to names {name!r}, which transformers does not know; it knows {known}")
    try:
        return INTEGRATION_TO_CALLBACK[name]()
    except (RuntimeError, ImportError) as error:
        raise FcAssetsError(
            f"trackers.report_to names {name!r}, which cannot be used here ({error}); install its package in the same "
            "environment, or take it out"
        ) from None
