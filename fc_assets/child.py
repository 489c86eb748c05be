"""How a step's own process is entered: job in, progress through Dagster Pipes, result out.

Works without Dagster as well: `python -m MODULE JOB.json` then logs to standard error. No step's work belongs here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, open_dagster_pipes

from fc_assets.errors import FcAssetsError

Job = Mapping[str, Any]


class Log(Protocol):
    """What a step's work may log to: Pipes' logger, or a standard one."""

    def info(self, message: str) -> None: ...

    def warning(self, message: str) -> None: ...


class _StandardError:
    def info(self, message: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)

    warning = info


def run_child(work: Callable[[Job, Log], Mapping[str, Any]]) -> None:
    """Run `work` on the job file named on the command line and write what it returns to the job's `result` path.

    An `FcAssetsError` ends the process with status 1 and `error: ` with its sentence as the last line it prints.
    """
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m MODULE JOB.json, a JSON object with the job's fields")
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        if DAGSTER_PIPES_CONTEXT_ENV_VAR in os.environ:
            with open_dagster_pipes() as pipes:
                result = work(job, pipes.log)
        else:
            result = work(job, _StandardError())
    except FcAssetsError as error:
        raise SystemExit(f"error: {error}") from None
    Path(job["result"]).write_text(json.dumps(result, default=str), encoding="utf-8")
