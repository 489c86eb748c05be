"""Runs of one step in pool "gpu", each in a process of its own that a test kills or asks to end."""

import contextlib
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from fc_assets.demo import Progress
from fc_assets.foundation.dead_runs import worker_tag
from fc_assets.foundation.gpu import GPU_POOL
from fc_assets.foundation.presentation.terminal import console
from fc_assets_tests.support.graph import ROOT


def pool_instance(folder: Path) -> dg.DagsterInstance:
    """An instance with the settings of the checkout's dagster.yaml."""
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "dagster.yaml", folder)
    return dg.DagsterInstance.from_config(str(folder))


def run_in_the_pool(instance: dg.DagsterInstance, sign: Path, seconds: float, *, tagged: bool = False) -> Progress:
    """Run one step as the demo does: it writes its process's id into `sign`, and holds its place for so long."""

    @dg.op(pool=GPU_POOL)
    def training() -> None:
        sign.write_text(str(os.getpid()))
        time.sleep(seconds)

    progress = Progress(console(), instance)
    logger = logging.Logger("pool run")
    logger.addHandler(progress)

    @dg.job(logger_defs={"terminal": dg.LoggerDefinition(lambda _: logger)}, tags=worker_tag() if tagged else None)
    def one_step() -> None:
        training()

    one_step.execute_in_process(
        instance=instance, raise_on_error=False, run_config={"loggers": {"terminal": {"config": {}}}}
    )
    return progress


@contextlib.contextmanager
def forked_run(home: Path, sign: Path, output: Path, seconds: float, *, tagged: bool = False) -> Iterator[int]:
    """The process id of a fork that runs `run_in_the_pool`; its exit status is 130 where a signal ended its waiting."""
    pid = os.fork()
    if pid == 0:
        sys.stdout = output.open("w", buffering=1)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            progress = run_in_the_pool(instance, sign, seconds, tagged=tagged)
        os._exit(130 if progress.interrupted else 0)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def kill(pid: int) -> None:
    """KILL a fork of this process and collect it."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
