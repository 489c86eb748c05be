"""What Dagster's worker of a run does: start a step in a process of its own. `python -m THIS spawn|forkserver PIDS`."""

import multiprocessing
import os
import sys
import time
from pathlib import Path

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


if __name__ == "__main__":
    multiprocessing.get_context(sys.argv[1]).Process(target=step, args=(sys.argv[2],)).start()
    time.sleep(600)
