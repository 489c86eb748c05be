"""Typed jobs through real files and a real process: what arrives, what is refused, and how it is said."""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from fc_assets.foundation.child_processes.jobs import Job, JobFiles, JobResult, write_job

MODULE = "adding_job"
SOURCE = """
from __future__ import annotations
import sys
from pathlib import Path
from typing import ClassVar
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Job, JobResult, Log, run_job

class AddResult(JobResult):
    total: float
    largest: float
    seen: Path

class AddJob(Job[AddResult]):
    module: ClassVar[str] = "adding_job"
    numbers: tuple[float, ...]
    folder: Path
    FURTHER

def work(job: AddJob, log: Log) -> AddResult:
    log.info(f"adding {len(job.numbers)} numbers")
    if not job.numbers:
        raise FcAssetsError("There is nothing to add; give at least one number")
    return AddResult(total=sum(job.numbers), largest=max(job.numbers), seen=job.folder)

if __name__ == "__main__":
    run_job(AddJob, work)
"""


class AddResult(JobResult):
    total: float
    largest: float
    seen: Path


class AddJob(Job[AddResult]):
    module: ClassVar[str] = MODULE
    numbers: tuple[float, ...]
    folder: Path


def run(folder: Path, files: JobFiles[AddResult], further: str = "") -> subprocess.CompletedProcess[str]:
    """Do the job by a module of that name in `folder`; `further` is one more field of its class."""
    (folder / f"{MODULE}.py").write_text(SOURCE.replace("FURTHER", further))
    return subprocess.run(files.argv, cwd=folder, capture_output=True, text=True, timeout=60)


def last_line(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1]


def test_job_and_result_arrive_as_they_were(tmp_path: Path) -> None:
    files = write_job(AddJob(numbers=(1.5, math.inf, math.nan), folder=tmp_path / "data"), tmp_path)
    ended = run(tmp_path, files)
    assert ended.returncode == 0, ended.stderr
    assert "adding 3 numbers" in ended.stderr
    result = files.result()
    assert math.isnan(result.total) and result.largest == math.inf
    assert result.seen == tmp_path / "data"


def test_a_launcher_takes_the_place_of_python(tmp_path: Path) -> None:
    files = write_job(AddJob(numbers=(), folder=tmp_path), tmp_path, ("accelerate", "launch"))
    assert files.argv[:4] == ["accelerate", "launch", "-m", MODULE]


def test_an_error_for_people_is_the_last_line(tmp_path: Path) -> None:
    files = write_job(AddJob(numbers=(), folder=tmp_path), tmp_path)
    assert last_line(run(tmp_path, files)) == "error: There is nothing to add; give at least one number"
    assert not files.result_file.exists()


def test_a_job_of_another_version_is_one_sentence(tmp_path: Path) -> None:
    files = write_job(AddJob(numbers=(1.0,), folder=tmp_path), tmp_path)
    said = last_line(run(tmp_path, files, "further: int = 0"))
    assert said == f"error: {files.argv[-1]} was written by another version of fc_assets: let the step write it again"


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_broken_job_file_is_named(tmp_path: Path, content: str) -> None:
    files = write_job(AddJob(numbers=(1.0,), folder=tmp_path), tmp_path)
    Path(files.argv[-1]).write_text(content)
    assert f"error: {files.argv[-1]} is no AddJob" in last_line(run(tmp_path, files))


def test_a_wrong_field_is_named(tmp_path: Path) -> None:
    files = write_job(AddJob(numbers=(1.0,), folder=tmp_path), tmp_path)
    written = json.loads(Path(files.argv[-1]).read_text())
    written["job"]["numbers"] = ["one"]
    Path(files.argv[-1]).write_text(json.dumps(written))
    said = last_line(run(tmp_path, files))
    assert "is no AddJob" in said and "numbers" in said


def test_without_a_job_file_the_usage_is_printed(tmp_path: Path) -> None:
    files = write_job(AddJob(numbers=(1.0,), folder=tmp_path), tmp_path)
    (tmp_path / f"{MODULE}.py").write_text(SOURCE.replace("FURTHER", ""))
    ended = subprocess.run(files.argv[:-1], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.stderr.strip() == f"usage: python -m {MODULE} JOB.json, as a step writes it"


def test_a_disk_that_refuses_ends_with_one_sentence(tmp_path: Path) -> None:
    files = write_job(AddJob(numbers=(1.0,), folder=tmp_path), tmp_path)
    content = json.loads(Path(files.argv[-1]).read_text())
    Path(files.argv[-1]).write_text(json.dumps({**content, "result": "/dev/full"}))
    assert last_line(run(tmp_path, files)).startswith("error: No space left on the disk")


def test_a_result_with_another_field_is_refused(tmp_path: Path) -> None:
    files = write_job(AddJob(numbers=(1.0,), folder=tmp_path), tmp_path)
    files.result_file.write_text(json.dumps({"total": 1, "largest": 1, "seen": "a", "more": 1}))
    with pytest.raises(ValidationError, match="more"):
        files.result()


def test_a_job_must_name_its_result(tmp_path: Path) -> None:
    class Nameless(Job):
        module: ClassVar[str] = "nameless_job"

    with pytest.raises(TypeError, match=r"Nameless does not name its result"):
        write_job(Nameless(), tmp_path)


def test_a_file_can_be_run_by_hand_from_anywhere(tmp_path: Path) -> None:
    """The job's own process knows nothing of the step: the file says where the result goes."""
    files = write_job(AddJob(numbers=(1.0, 2.0), folder=tmp_path), tmp_path)
    run(tmp_path, files)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = elsewhere / "copy.json"
    moved.write_text(Path(files.argv[-1]).read_text())
    files.result_file.unlink()
    by_hand = [*files.argv[:-1], str(moved)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    subprocess.run(by_hand, cwd=elsewhere, env=environment, check=True, capture_output=True, timeout=60)
    assert files.result().total == 3
