"""A job that refuses what it is asked, for tests of what a step then says: run as a process of its own."""

from __future__ import annotations

from typing import ClassVar

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Job, JobResult, Log, run_job


class NothingResult(JobResult):
    """What would be returned."""


class RefusingJob(Job[NothingResult]):
    """Refuse, saying `sentence`."""

    module: ClassVar[str] = "fc_assets_tests.foundation.refusing_job"
    sentence: str


def refuse(job: RefusingJob, log: Log) -> NothingResult:
    """Raise what a person is meant to read."""
    log.info("about to refuse")
    raise FcAssetsError(job.sentence)


if __name__ == "__main__":
    run_job(RefusingJob, refuse)
