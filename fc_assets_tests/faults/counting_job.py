"""A trainer in small: it counts, saves after each step what it has, and goes on from there when it was killed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from fc_assets.foundation.child_processes.jobs import Job, JobResult, Log, run_id, run_job
from fc_assets.foundation.json_files import read_json, write_json
from fc_assets.foundation.resume_folders import held

SAVED = "saved.json"


class CountResult(JobResult):
    """The sum of all steps' numbers, and the step from which this attempt went on."""

    total: int
    resumed_from: int


class CountJob(Job[CountResult]):
    """Count to `upto`, `pause_s` seconds for each step; `filler` bytes are written with each state."""

    module: ClassVar[str] = "fc_assets_tests.faults.counting_job"
    upto: int
    checkpoints: Path
    pause_s: float = 0.0
    filler: int = 0


def count(job: CountJob, log: Log) -> CountResult:
    """Add up the numbers below `upto`."""
    with held(job.checkpoints, run_id()):
        saved = job.checkpoints / SAVED
        state = read_json(saved) if saved.is_file() else {"step": 0, "total": 0}
        first = state["step"]
        for step in range(first, job.upto):
            time.sleep(job.pause_s)
            state = {"step": step + 1, "total": state["total"] + step}
            part = saved.with_suffix(".part")
            write_json(part, {**state, "filler": "x" * job.filler})
            part.replace(saved)
        return CountResult(total=state["total"], resumed_from=first)


if __name__ == "__main__":
    run_job(CountJob, count)
