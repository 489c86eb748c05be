"""The sweep over server settings as a process of its own: `python -m fc_assets.load_test.matrix.sweep_job JOB.json`.

For each pair of `max_num_seqs` and `max_num_batched_tokens` a server is started and given the heaviest closed load of
the full matrix. Choosing among the results is `recommendation`'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop

from fc_assets.foundation.jobs import Job, Log, run_child
from fc_assets.load_test.matrix.cell import Cell
from fc_assets.load_test.matrix.resume import ResumeFolder
from fc_assets.load_test.matrix.run import measure_one
from fc_assets.profiles import BenchmarkSettings, ServerSettings
from fc_assets.serving.server import serve


def sweep(job: Job, log: Log) -> Mapping[str, Any]:
    """Fields of the job: `model`, `name`, `model_digest`, `server`, `benchmark`, `resume`, `server_log`."""
    server = ServerSettings.model_validate(job["server"])
    settings = BenchmarkSettings.model_validate(job["benchmark"])
    cell = Cell("closed", max(settings.context_lengths), max(settings.concurrency))
    rows = []
    for seqs, tokens in itertools.product(settings.sweep_max_num_seqs, settings.sweep_max_num_batched_tokens):
        tried = server.model_copy(update={"max_num_seqs": seqs, "max_num_batched_tokens": tokens})
        resume = ResumeFolder(Path(job["resume"]) / f"seqs{seqs}-tokens{tokens}")
        result = resume.load(cell)
        if result is None:
            with serve(
                Path(job["model"]),
                tried,
                name=job["name"],
                log=Path(job["server_log"]),
                model_digest=job["model_digest"],
            ) as endpoint:
                result = uvloop.run(measure_one(endpoint, cell, settings))
            resume.keep(result)
        figures = result.figures
        log.info(
            f"max_num_seqs {seqs}, max_num_batched_tokens {tokens}: {figures['goodput_per_s']:.2f} good requests/s"
        )
        rows.append({"max_num_seqs": seqs, "max_num_batched_tokens": tokens, **figures})
    return {"rows": rows}


if __name__ == "__main__":
    run_child(sweep)
