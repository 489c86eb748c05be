"""A child process that is killed at a moment of the test's choosing."""

import os
import signal
import threading
import time
from collections.abc import Callable

import psutil


def kill_when(ready: Callable[[], object], module: str, seconds: float = 250) -> threading.Thread:
    """Kill this process's child that runs `module` as soon as `ready()` is true; gives up after `seconds`."""

    def work() -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if ready():
                for process in psutil.Process().children(recursive=True):
                    line = process.cmdline()
                    if module in line and "processes.py" not in " ".join(line):
                        os.kill(process.pid, signal.SIGKILL)
                return
            time.sleep(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    return thread
