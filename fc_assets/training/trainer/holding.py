"""One trainer at a time in a folder of checkpoints. What lies in it is `resuming`'s; this module imports no torch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from fc_assets.foundation.child_processes.jobs import Log, run_id
from fc_assets.foundation.resume_folders import held


class ResumableJob(Protocol):
    """A job whose trainer leaves what can be resumed in `checkpoints`."""

    @property
    def checkpoints(self) -> Path: ...


AnyJob = TypeVar("AnyJob", bound=ResumableJob)
Done = TypeVar("Done")


def alone_in_its_folder(train: Callable[[AnyJob, Log], Done]) -> Callable[[AnyJob, Log], Done]:
    """`train`, refused by `FcAssetsError` before any slow import while another process trains in the same folder."""

    @functools.wraps(train)
    def alone(job: AnyJob, log: Log) -> Done:
        with held(job.checkpoints, run_id()):
            return train(job, log)

    return alone
