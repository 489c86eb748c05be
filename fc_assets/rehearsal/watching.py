"""A job or server watched from outside while it runs: the most memory that it had, and how long it took.

From outside, because a process that ended in an error, or that vLLM shares with a trainer, tells nothing of itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes import processes
from fc_assets.foundation.child_processes.jobs import Job, Result, write_job
from fc_assets.foundation.gpu import Card, find_card
from fc_assets.foundation.resources import CHILD_ENVIRONMENT


@dataclass
class MemoryWatch:
    """The peaks of a process family, in bytes: main memory, and what the card lost since the watch was made.

    `card_bytes` is None where there is no card, or none whose memory is known.
    """

    peak_ram: int = 0
    card_bytes: int | None = None
    _card_free: int | None = field(default_factory=lambda: _free_on_card())

    def look(self, pid: int) -> None:
        """Take one sample of the process `pid` and all below it."""
        resident = 0
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in (root := psutil.Process(pid)), *root.children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    resident += process.memory_info().rss
        self.peak_ram = max(self.peak_ram, resident)
        free = _free_on_card()
        if free is not None and self._card_free is not None:
            self.card_bytes = max(self.card_bytes or 0, self._card_free - free)


def run_watched(job: Job[Result], folder: Path, watch: MemoryWatch, launcher: Sequence[str] = ()) -> Result:
    """Do `job` in a process of its own and return its result. Raises `FcAssetsError` with what it said.

    `launcher` replaces this Python, as in `write_job`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = write_job(job, folder, launcher)
    with processes.running(job.module, files.argv, log=folder / "log", env=CHILD_ENVIRONMENT) as child:
        code = child.wait(poll=lambda: watch.look(child.process.pid))
    if code:
        *_, last = child.log_tail().splitlines() or [""]
        said = last.removeprefix("error: ") if last.startswith("error: ") else f"status {code}:\n{child.log_tail()}"
        raise FcAssetsError(said)
    return files.result()


def _free_on_card() -> int | None:
    card = find_card()
    return card.free if isinstance(card, Card) else None
