"""The sweep over server settings as a process of its own: `python -m fc_assets.load_test.sweep_job JOB.json`.

For each pair of `max_num_seqs` and `max_num_batched_tokens`, and for a few more settings with the best pair, a server
is started and given the heaviest closed load of the full matrix, then tool calls and sessions at the SLO's concurrency.
Choosing among the results is in `findings.recommendation`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import uvloop

from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.load_test.findings.recommendation import best_of_sweep
from fc_assets.load_test.findings.sweep import sweep_row
from fc_assets.load_test.jobs import SweepJob, SweepResult
from fc_assets.load_test.matrix.cell_measurement import CellResult
from fc_assets.load_test.matrix.cells import MatrixCell
from fc_assets.load_test.matrix.matrix_measurement import measure_single_cell
from fc_assets.load_test.matrix.resume import ResumeFolder
from fc_assets.load_test.matrix.workloads import NO_QUESTIONS, Questions, read_questions
from fc_assets.profiles import BenchmarkSettings, ServerSettings
from fc_assets.serving.server import serve

Change = dict[str, Any]
"""Server settings that are tried, by name."""


def sweep(job: SweepJob, log: Log) -> SweepResult:
    """Measure every load of every choice of settings that an interrupted run has not measured already."""
    settings = job.benchmark
    tools = settings.tool_call_tokens
    questions = read_questions(job.split, settings, job.release.server.max_model_len) if tools else NO_QUESTIONS
    cells = _cells(settings, questions)
    pairs = itertools.product(settings.sweep_max_num_seqs, settings.sweep_max_num_batched_tokens)
    changes = [{"max_num_seqs": seqs, "max_num_batched_tokens": tokens} for seqs, tokens in pairs]
    rows = [_row(job, change, "", cells, questions, log) for change in changes]
    if rows:
        best = best_of_sweep(rows, settings.slo) or rows[0]
        pair = {name: best[name] for name in changes[0]}
        more = _more(settings)
        rows += [_row(job, {**pair, **change}, what, cells, questions, log) for what, change in more]
    return SweepResult(rows=rows)


def _more(settings: BenchmarkSettings) -> Iterator[tuple[str, Change]]:
    if settings.sweep_no_prefix_caching:
        yield "no prefix caching", {"prefix_caching": False}
    for tokens in settings.sweep_ngram_tokens:
        yield f"n-gram speculation of {tokens} tokens", {"ngram_tokens": tokens}


def _cells(settings: BenchmarkSettings, questions: Questions) -> list[MatrixCell]:
    cells = [MatrixCell("closed", max(settings.context_lengths), max(settings.concurrency))]
    if questions.turns:
        cells.append(MatrixCell("tools-free", concurrency=settings.slo.at_concurrency))
    if questions.conversations:
        cells.append(MatrixCell("sessions", concurrency=settings.slo.at_concurrency, reuse=1.0))
    return cells


def _row(
    job: SweepJob, change: Change, extra: str, cells: list[MatrixCell], questions: Questions, log: Log
) -> dict[str, Any]:
    server = job.release.server.model_copy(update=change)
    resume = ResumeFolder(job.resume / "-".join(f"{name}={value}" for name, value in change.items()))
    kept = {cell: found for cell in cells if (found := resume.load(cell))}
    if missing := [cell for cell in cells if cell not in kept]:
        for result in _measure(job, server, missing, questions, log):
            resume.keep(result)
            kept[result.cell] = result
    row = sweep_row(server, extra, [kept[cell].figures for cell in cells])
    told = ", ".join(f"{name} {value}" for name, value in change.items())
    log.info(f"{told}: {row['goodput_per_s']:.2f} good requests/s")
    return row


def _measure(
    job: SweepJob, server: ServerSettings, cells: list[MatrixCell], questions: Questions, log: Log
) -> Iterator[CellResult]:
    release = job.release
    with serve(
        release.checkpoint, server, name=release.served_name, log=release.server_log, model_digest=release.digest
    ) as endpoint:
        for cell in cells:
            yield uvloop.run(measure_single_cell(endpoint, cell, job.benchmark, log.info, questions))


if __name__ == "__main__":
    run_job(SweepJob, sweep)
