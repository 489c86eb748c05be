"""The job of this room that runs as its own process. The work is in the module that it names."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from fc_assets.foundation.child_processes.jobs import Job, JobResult
from fc_assets.profiles import HubSettings


class HubCopyResult(JobResult):
    """The page of the commit that holds the release, and whether anything had to change for it."""

    commit_url: str
    changed: bool


class HubCopyJob(Job[HubCopyResult]):
    """Make a hub repository hold exactly one release. The token is `$HF_TOKEN`, never part of the job.

    `release` is the folder of the `promoted_policy` artefact, `digest` its digest.
    """

    module: ClassVar[str] = "fc_assets.release.hub_copy_job"

    release: Path
    digest: str
    hub: HubSettings
