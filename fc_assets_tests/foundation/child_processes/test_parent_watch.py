"""A step that Dagster started in a process of its own ends with its run's worker, and so does what it started."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fc_assets.foundation.child_processes.parent_watch import end_with_the_worker
from fc_assets_tests.foundation.child_processes import run_worker


@pytest.mark.parametrize("method", [pytest.param("dagster", marks=pytest.mark.slow), "spawn", "forkserver"])
def test_a_killed_worker_takes_its_step_and_its_trainer_along(method: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    worker = subprocess.Popen([sys.executable, "-m", run_worker.__name__, method, str(pids)])
    try:
        _wait_until(pids.is_file, 150)
        family = [int(pid) for pid in pids.read_text().split()]
        family += [child.pid for child in psutil.Process(family[1]).children(recursive=True)]
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    _wait_until(lambda: not any(_lives(pid) for pid in family), 20)


def test_a_process_that_no_worker_started_is_not_watched() -> None:
    """A run in one process outlives the shell that started it, as anything under nohup does."""
    before = {thread.id for thread in psutil.Process().threads()}
    end_with_the_worker()
    assert {thread.id for thread in psutil.Process().threads()} == before


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def _wait_until(holds, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
