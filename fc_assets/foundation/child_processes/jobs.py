"""The one contract between a step and the process that does its work: a typed job in, a typed result out.

A step builds a `Job`; `write_job` puts it into a file; `python -m MODULE JOB.json` ends in `run_job`, which hands the
same object to the work and writes what it returns. Progress reaches the step through Dagster Pipes; run by hand with
the same file, it goes to standard error. The classes of a room's jobs are in its `jobs` module, which imports no model
library; the modules that run end in `_job`. No step's work belongs here, nor does starting the process.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, PipesContext, open_dagster_pipes
from pydantic import BaseModel, ConfigDict, ValidationError

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.filesystem.refusals import said_in_words

# Built when first used: the definitions import the classes of all jobs and use none of them.
_FORM = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants", defer_build=True)


class JobResult(BaseModel):
    """Base of what a job's process returns. Numbers that are not finite survive the way through the file."""

    model_config = _FORM


Result = TypeVar("Result", bound=JobResult)


class Job(BaseModel, Generic[Result]):
    """Base of what a process is asked to do: `class SftJob(Job[SftResult])`. `module` is what `python -m` runs."""

    model_config = _FORM

    module: ClassVar[str]


@dataclass(frozen=True)
class JobFiles(Generic[Result]):
    """A job written to disk: the command that does it, and where its result will lie."""

    job: Job[Result]
    argv: list[str]
    result_file: Path

    def result(self) -> Result:
        """What the process returned. Raises OSError while it has not."""
        return _result_type(type(self.job)).model_validate_json(self.result_file.read_bytes())


class Log(Protocol):
    """What a step's work may log to: Pipes' logger, or a standard one."""

    def info(self, message: str) -> None: ...

    def warning(self, message: str) -> None: ...


class _StandardErrorLog:
    def info(self, message: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)

    warning = info


def write_job(job: Job[Result], folder: Path, launcher: Sequence[str] = ()) -> JobFiles[Result]:
    """Write `job` into `folder`; `launcher` replaces this Python, for instance by `accelerate launch`."""
    file, result = folder / f"{job.module}.job.json", folder / f"{job.module}.result.json"
    content = {"schema": _schema(type(job)), "result": str(result), "job": job.model_dump(mode="json")}
    file.write_text(json.dumps(content), encoding="utf-8")
    return JobFiles(job, [*(launcher or [sys.executable]), "-m", job.module, str(file)], result)


JobClass = TypeVar("JobClass", bound=Job[Any])


def run_job(job_class: type[JobClass], work: Callable[[JobClass, Log], JobResult]) -> None:
    """Do the job in the file named on the command line and write its result.

    An `FcAssetsError` ends the process with status 1 and `error: ` with its sentence as the last line it prints.
    """
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: python -m {job_class.module} JOB.json, as a step writes it")
    try:
        job, result_file = _read_job(job_class, Path(sys.argv[1]))
        with said_in_words(result_file.parent, "this work"):
            if DAGSTER_PIPES_CONTEXT_ENV_VAR in os.environ:
                with open_dagster_pipes() as pipes:
                    result = work(job, pipes.log)
            else:
                result = work(job, _StandardErrorLog())
            result_file.write_text(result.model_dump_json(), encoding="utf-8")
    except FcAssetsError as error:
        raise SystemExit(f"error: {error}") from None


def run_id() -> str | None:
    """The Dagster run that this process works for; None when it was started by hand."""
    return str(PipesContext.get().run_id) if PipesContext.is_initialized() else None


def _read_job(job_class: type[JobClass], file: Path) -> tuple[JobClass, Path]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["schema"] != _schema(job_class):
            raise FcAssetsError(f"{file} was written by another version of fc_assets: let the step write it again")
        return job_class.model_validate(content["job"]), Path(content["result"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = error.errors(include_url=False) if isinstance(error, ValidationError) else repr(error)
        raise FcAssetsError(f"{file} is no {job_class.__name__}: {said}") from None


def _schema(job_class: type[Job[Any]]) -> str:
    """A digest of the fields of a job and of its result: both ends must agree on them."""
    schemas = [job_class.model_json_schema(), _result_type(job_class).model_json_schema()]
    return hashlib.sha256(json.dumps(schemas, sort_keys=True).encode()).hexdigest()[:16]


def _result_type(job_class: type[Job[Result]]) -> type[Result]:
    """The class between the brackets of `Job[...]`."""
    for base in job_class.__mro__:
        if arguments := getattr(base, "__pydantic_generic_metadata__", {}).get("args"):
            result: type[Result] = arguments[0]
            return result
    raise TypeError(f"{job_class.__name__} does not name its result: write class {job_class.__name__}(Job[...])")
