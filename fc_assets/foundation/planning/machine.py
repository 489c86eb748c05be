"""What this machine has: card, main memory and disk, found out in milliseconds. What a step needs is `needs`."""

from __future__ import annotations

import contextlib
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from fc_assets.foundation.gpu import Card, UnknownCard, find_card

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Machine:
    """What is free, in bytes: main memory, and disk where the home lies. `card` is None where there is none."""

    card: Card | UnknownCard | None
    ram: int
    disk: int


def this_machine(home: Path) -> Machine:
    """The machine that this process runs on; a container's limit of memory counts as its memory."""
    existing = next(folder for folder in (home, *home.absolute().parents) if folder.exists())
    return Machine(find_card(), _available_memory(), shutil.disk_usage(existing).free)


def processor_name() -> str:
    """What the processor calls itself; its architecture where the system does not say (`/proc/cpuinfo` is Linux's)."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _available_memory() -> int:
    free = int(psutil.virtual_memory().available)
    with contextlib.suppress(OSError, ValueError):  # no cgroup, or no limit ("max"): the machine's memory counts
        limit = int((_CGROUP / "memory.max").read_text(encoding="utf-8"))
        free = min(free, limit - int((_CGROUP / "memory.current").read_text(encoding="utf-8")))
    return free
