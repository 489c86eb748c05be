"""What the load test's processes are asked to do, and what they return. The modules named here do the work."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from fc_assets.foundation.child_processes.jobs import Job, JobResult
from fc_assets.profiles import BenchmarkSettings, ServerSettings


class ReleaseUnderTest(BaseModel):
    """The release that is put under load, and how it is served for that: its checkpoint folder, the model name that
    requests use, the digest of its artefact, the server's settings, and the file for the server's log.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    checkpoint: Path
    served_name: str
    digest: str
    server: ServerSettings
    server_log: Path


class MatrixResult(JobResult):
    """Seconds until the server was healthy, and how many cells the matrix has."""

    server_start_s: float
    cells: int


class MatrixJob(Job[MatrixResult]):
    """Measure the matrix of `benchmark` and write its files into `out`.

    `split` is the file of conversations for the tool-call loads; finished cells are kept in `resume`.
    """

    module: ClassVar[str] = "fc_assets.load_test.matrix_job"

    release: ReleaseUnderTest
    benchmark: BenchmarkSettings
    split: Path
    resume: Path
    out: Path


class SweepResult(JobResult):
    """A row for each choice of server settings, as `findings.sweep` describes it."""

    rows: list[dict[str, Any]]


class SweepJob(Job[SweepResult]):
    """Measure loads of `benchmark` with each choice of its sweep's server settings.

    `split` is the file of conversations for the tool-call loads; finished loads are kept in `resume`.
    """

    module: ClassVar[str] = "fc_assets.load_test.sweep_job"

    release: ReleaseUnderTest
    benchmark: BenchmarkSettings
    split: Path
    resume: Path
