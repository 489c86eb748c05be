"""The sweep over server settings as a process of its own: `python -m fc_assets.load_test.sweep_job JOB.json`.

For each pair of `max_num_seqs` and `max_num_batched_tokens` a server is started and given the heaviest closed load of
the full matrix. Choosing among the results is in `findings.recommendation`.
"""

from __future__ import annotations

import itertools

import uvloop

from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.load_test.jobs import SweepJob, SweepResult
from fc_assets.load_test.matrix.cell_measurement import CellResult
from fc_assets.load_test.matrix.cells import MatrixCell
from fc_assets.load_test.matrix.matrix_measurement import measure_single_cell
from fc_assets.load_test.matrix.resume import ResumeFolder
from fc_assets.profiles import ServerSettings
from fc_assets.serving.server import serve


def sweep(job: SweepJob, log: Log) -> SweepResult:
    """Measure every pair of settings that an interrupted run has not measured already."""
    settings = job.benchmark
    cell = MatrixCell("closed", max(settings.context_lengths), max(settings.concurrency))
    rows = []
    for seqs, tokens in itertools.product(settings.sweep_max_num_seqs, settings.sweep_max_num_batched_tokens):
        pair = {"max_num_seqs": seqs, "max_num_batched_tokens": tokens}
        resume = ResumeFolder(job.resume / f"seqs{seqs}-tokens{tokens}")
        result = resume.load(cell)
        if result is None:
            result = _measure(job, job.release.server.model_copy(update=pair), cell, log)
            resume.keep(result)
        log.info(
            f"max_num_seqs {seqs}, max_num_batched_tokens {tokens}: "
            f"{result.figures['goodput_per_s']:.2f} good requests/s"
        )
        rows.append({**pair, **result.figures})
    return SweepResult(rows=rows)


def _measure(job: SweepJob, server: ServerSettings, cell: MatrixCell, log: Log) -> CellResult:
    release = job.release
    with serve(
        release.checkpoint, server, name=release.served_name, log=release.server_log, model_digest=release.digest
    ) as endpoint:
        return uvloop.run(measure_single_cell(endpoint, cell, job.benchmark, log.info))


if __name__ == "__main__":
    run_job(SweepJob, sweep)
