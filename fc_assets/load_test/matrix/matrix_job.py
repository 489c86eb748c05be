"""The step `benchmark_matrix` as a process of its own: `python -m fc_assets.load_test.matrix.matrix_job JOB.json`.

Starts the server, runs the matrix against it and writes the artefact's files. The load generator needs a process
without Dagster's threads: its own CPU time is one of the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop

from fc_assets.calls.conversations import read_turns
from fc_assets.foundation.jobs import Job, Log, run_child
from fc_assets.load_test.matrix import plots
from fc_assets.load_test.matrix.comparability import conditions
from fc_assets.load_test.matrix.resume import ResumeFolder
from fc_assets.load_test.matrix.run import run_matrix
from fc_assets.load_test.matrix.tables import write_matrix
from fc_assets.profiles import BenchmarkSettings, ServerSettings
from fc_assets.serving.server import serve


def benchmark(job: Job, log: Log) -> Mapping[str, Any]:
    """Job fields: `model`, `name`, `model_digest`, `split`, `server`, `benchmark`, `resume`, `server_log`, `out`."""
    server = ServerSettings.model_validate(job["server"])
    settings = BenchmarkSettings.model_validate(job["benchmark"])
    server_log = Path(job["server_log"])
    with serve(
        Path(job["model"]), server, name=job["name"], log=server_log, model_digest=job["model_digest"]
    ) as endpoint:
        log.info(f"vLLM {endpoint.info['version']} was ready after {endpoint.info['start_s']} s")
        matrix = uvloop.run(
            run_matrix(
                endpoint,
                settings,
                ResumeFolder(Path(job["resume"])),
                turns=read_turns(Path(job["split"])),
                log=server_log,
                progress=log.info,
            )
        )
    if matrix.resumed:
        log.info(f"{len(matrix.resumed)} cells were kept from an interrupted run: {', '.join(matrix.resumed)}")
    out = Path(job["out"])
    write_matrix(matrix, endpoint, settings, conditions(server, settings), out)
    plots.draw_all(matrix.rows(), settings.slo, out)
    return {"server_start_s": endpoint.info["start_s"], "cells": len(matrix.results)}


if __name__ == "__main__":
    run_child(benchmark)
