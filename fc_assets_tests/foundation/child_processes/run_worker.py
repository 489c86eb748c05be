"""A run's worker, which starts a step in a process of its own: `python -m THIS METHOD PIDS`.

METHOD is `dagster`, which is Dagster's own executor, or one of `multiprocessing`'s, which a deployment may choose.
"""

import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path

import dagster as dg

from fc_assets.foundation.child_processes import processes
from fc_assets.foundation.child_processes.parent_watch import end_with_the_worker


def step(pids: str) -> None:
    """Start a child that would go on for ever, and write the ids of this process and of the child's supervisor."""
    end_with_the_worker()
    argv = [sys.executable, "-c", "import time; time.sleep(600)"]
    with processes.running("trainer", argv, log=Path(pids + ".log")) as child:
        Path(pids + ".part").write_text(f"{os.getpid()} {child.process.pid}")
        Path(pids + ".part").rename(pids)
        time.sleep(600)


@dg.op(config_schema=str)
def stepping(context: dg.OpExecutionContext) -> None:
    """The step, as Dagster runs it."""
    step(context.op_config)


@dg.job
def one_step() -> None:
    """Run by Dagster's multiprocess executor, its default."""
    stepping()


if __name__ == "__main__":
    method, pids = sys.argv[1:]
    if method == "dagster":
        from fc_assets_tests.foundation.child_processes import run_worker  # by its name, as the step loads it

        config = {"ops": {"stepping": {"config": pids}}}
        with (
            tempfile.TemporaryDirectory(dir=Path(pids).parent) as home,
            dg.DagsterInstance.local_temp(home) as instance,
        ):
            dg.execute_job(dg.reconstructable(run_worker.one_step), instance, run_config=config)
    else:
        multiprocessing.get_context(method).Process(target=step, args=(pids,)).start()
        time.sleep(600)
