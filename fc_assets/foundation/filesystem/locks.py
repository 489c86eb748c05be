"""Advisory locks on folders: who holds one works in it, and the kernel lets go when that process ends.

What is kept in such a folder, and who may remove it, belongs to those who lock it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

HELD_OR_GONE = (BlockingIOError, FileNotFoundError, PermissionError)
"""Why a folder cannot be locked that belongs to others: they work in it, have just removed it, or are another user."""


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a folder; without `wait`, raise BlockingIOError when another process has it.

    What is held is the folder that lies there now: one that was removed, or replaced, before the lock was had is not.
    Raises FileNotFoundError when there is none, and PermissionError when it is another user's.
    """
    handle = lock(folder, wait=wait)
    try:
        yield
    finally:
        os.close(handle)


def lock(folder: Path, *, wait: bool = True) -> int:
    """As `locked`, until the handle that is returned is closed."""
    while True:
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(os.fstat(handle), os.stat(folder)):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
