"""The step `benchmark_matrix` as a process of its own: `python -m fc_assets.load_test.matrix_job JOB.json`.

Starts the server, measures the matrix and the capacity against it and writes the artefact's files. The load generator
needs a process without Dagster's threads: its own CPU time is one of the figures.
"""

from __future__ import annotations

import uvloop

from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.foundation.json_files import write_json
from fc_assets.load_test.capacity.probes import measure_capacities
from fc_assets.load_test.findings import plots
from fc_assets.load_test.jobs import MatrixJob, MatrixResult
from fc_assets.load_test.matrix.comparability import measurement_conditions
from fc_assets.load_test.matrix.matrix_measurement import measure_matrix
from fc_assets.load_test.matrix.resume import ResumeFolder
from fc_assets.load_test.matrix.tables import write_matrix
from fc_assets.load_test.matrix.workloads import read_questions
from fc_assets.load_test.report.page import write_report
from fc_assets.names import CAPACITY, CAPACITY_PLOT
from fc_assets.serving.server import serve


def benchmark(job: MatrixJob, log: Log) -> MatrixResult:
    """Serve the release, measure it, and write tables and pictures."""
    release, settings = job.release, job.benchmark
    with serve(
        release.checkpoint,
        release.server,
        name=release.served_name,
        log=release.server_log,
        model_digest=release.digest,
    ) as endpoint:
        log.info(f"vLLM {endpoint.info.version} was ready after {endpoint.info.start_s} s")
        matrix = uvloop.run(
            measure_matrix(
                endpoint,
                settings,
                ResumeFolder(job.resume),
                questions=read_questions(job.split, settings, endpoint.info.max_model_len),
                log=release.server_log,
                progress=log.info,
            )
        )
        if settings.capacity_seconds:
            found = uvloop.run(
                measure_capacities(
                    endpoint,
                    settings,
                    context_length=max(result.cell.context_length for result in matrix.results),
                    kinds=("closed", "open") if settings.mode == "full" else ("closed",),
                    progress=log.info,
                )
            )
            write_json(job.out / CAPACITY, found.model_dump(mode="json"))
            plots.capacity_curve(found, job.out / CAPACITY_PLOT)
    if matrix.resumed:
        log.info(f"{len(matrix.resumed)} cells were kept from an interrupted run: {', '.join(matrix.resumed)}")
    write_matrix(matrix, endpoint, settings, measurement_conditions(release.server, settings), job.out)
    plots.draw_all(matrix.rows(), settings.slo, job.out)
    write_report(job.out)
    return MatrixResult(server_start_s=endpoint.info.start_s, cells=len(matrix.results))


if __name__ == "__main__":
    run_job(MatrixJob, benchmark)
