"""A step's process ends with its run's worker: otherwise it would go on, and publish, in a run that is gone.

Dagster starts each step of a run in a process of its own, which a KILL of the worker leaves behind. What such a process
has started ends with it (`processes`). A parent-death signal would not do: it is sent when the parent's *thread* ends,
and where steps are forked from a server the worker is not the parent.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import threading
from multiprocessing import connection


@functools.cache
def end_with_the_worker() -> None:
    """KILL this process as soon as the process that started it by `multiprocessing` is gone; else do nothing.

    KILL, because nothing may be recorded or published any more: every folder of a step is safe against it.
    """
    worker = multiprocessing.parent_process()
    if worker is not None:
        threading.Thread(target=_wait_and_end, args=(worker.sentinel,), daemon=True, name="parent-watch").start()


def _wait_and_end(sentinel: int) -> None:
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)
