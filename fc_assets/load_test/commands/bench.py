"""`fc-assets bench`: the matrix against a server that runs already, once or several times, and a row for each cell.

The command line is parsed in `cli`; what is measured is in `matrix`.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import file_sha256
from fc_assets.foundation.child_processes.processes import temporary_folder
from fc_assets.foundation.presentation.terminal import console, text_table
from fc_assets.load_test.commands.server import FAILED_REQUESTS, connect_to, progress_bar, say
from fc_assets.load_test.findings import plots
from fc_assets.load_test.findings.headline import answers_differ, conversation_shares
from fc_assets.load_test.findings.repeats import RUN_FOLDER, over_runs
from fc_assets.load_test.findings.session_turns import session_turns
from fc_assets.load_test.matrix.cells import matrix_cells
from fc_assets.load_test.matrix.comparability import measurement_conditions
from fc_assets.load_test.matrix.matrix_measurement import MeasuredMatrix, measure_matrix
from fc_assets.load_test.matrix.resume import ResumeFolder
from fc_assets.load_test.matrix.tables import Rows, write_matrix
from fc_assets.load_test.matrix.workloads import NO_QUESTIONS, Questions, read_questions
from fc_assets.load_test.report.page import write_report
from fc_assets.profiles import BenchmarkSettings, ServerSettings, ServiceLevel
from fc_assets.serving.endpoint import Endpoint

ANSWERS_DIFFER = 5
"""The exit status where a server under load answered otherwise than idle."""

_WIDTH = 240
"""Columns of the table at most: it is never cut, a narrow terminal breaks its lines."""
_UNFINISHED = "unfinished"
_COLUMNS: dict[str, tuple[str, str, float]] = {
    "requests/s": ("requests_per_s", ".2f", 1),
    "tokens/s": ("output_tokens_per_s", ".0f", 1),
    "TTFT P50": ("ttft_p50_s", ".1f", 1e3),
    "TTFT P95": ("ttft_p95_s", ".1f", 1e3),
    "TPOT P95": ("tpot_p95_s", ".2f", 1e3),
    "E2E P50": ("e2e_p50_s", ".1f", 1e3),
    "E2E P95": ("e2e_p95_s", ".1f", 1e3),
    "goodput/s": ("goodput_per_s", ".2f", 1),
    "within 5 ms": ("sent_within_5ms_share", ".0%", 1),
    "send CV": ("send_gap_cv", ".2f", 1),
    "failed": ("error_rate", ".1%", 1),
}
"""Each column beside the cell's name: the figure in it, its format, and what it is multiplied by."""


def bench(options: argparse.Namespace) -> int:
    """Measure, print, write what `--out` asks for; the exit status."""
    endpoint, settings = connect_to(options), _settings(options)
    questions = _questions(options.conversations, settings, endpoint)
    with _folder(options.out) as out:
        folders = [out] if options.repeats == 1 else [out / f"{RUN_FOLDER}{n + 1}" for n in range(options.repeats)]
        matrices = []
        for folder in folders:
            matrices.append(_measure(endpoint, settings, questions, folder))
            _print_report(matrices[-1], settings)
            if options.out:
                conditions = measurement_conditions(ServerSettings(api_url=endpoint.base_url), settings)
                if options.conversations:
                    conditions["conversations"] = {"sha256": file_sha256(options.conversations)}
                _write(matrices[-1], endpoint, settings, conditions, folder)
    if len(matrices) > 1:
        repeated = over_runs([matrix.rows() for matrix in matrices])
        console().print(text_table(repeated, list(repeated[0])))
    if options.out:
        say(f"report, tables and pictures are in {options.out}")
    rows = [row for matrix in matrices for row in matrix.rows()]
    if any(row["error_rate"] for row in rows):
        return FAILED_REQUESTS
    return ANSWERS_DIFFER if any(answers_differ(row, settings.min_as_idle) for row in rows) else 0


def _settings(options: argparse.Namespace) -> BenchmarkSettings:
    return BenchmarkSettings(
        mode="full",
        concurrency=options.concurrency,
        context_lengths=options.context_lengths,
        request_rates=options.rates,
        output_tokens=options.output_tokens,
        output_spread=options.output_spread,
        requests_per_cell=options.requests,
        tool_call_tokens=options.tool_call_tokens,
        tool_wait_s=options.tool_wait,
        session_reuse=options.reuse,
        cancel_share=options.cancel_share,
        cancel_after_s=options.cancel_after,
        slo=ServiceLevel(at_concurrency=max(options.concurrency)),
    )


def _questions(file: Path | None, settings: BenchmarkSettings, endpoint: Endpoint) -> Questions:
    """What the loads of conversations ask; without a file there are no such loads."""
    if file is None:
        return NO_QUESTIONS
    found = read_questions(file, settings, endpoint.info.max_model_len)
    if not found.turns:
        raise FcAssetsError(f"{file} has no row that expects a tool call; give a file of ShareGPT rows that do")
    if found.conversations is None:
        say(f"{file} has no conversation of two answers that fits the server: there are no loads of sessions")
    elif found.conversations.left_out:
        say(f"{found.conversations.left_out} conversations are left out: they may not fit the server's window")
    return found


def _measure(endpoint: Endpoint, settings: BenchmarkSettings, questions: Questions, folder: Path) -> MeasuredMatrix:
    folder.mkdir(parents=True, exist_ok=True)
    resume = ResumeFolder(folder / _UNFINISHED)
    cells = matrix_cells(settings, tools=bool(questions.turns), sessions=questions.conversations is not None)
    missing = [cell for cell in cells if resume.load(cell) is None]
    with progress_bar("cells") as bar:
        task = bar.add_task("cells", total=len(missing))

        def finished(line: str) -> None:
            bar.console.print(line)
            bar.advance(task)

        log = folder / "bench.log"
        return uvloop.run(measure_matrix(endpoint, settings, resume, questions=questions, log=log, progress=finished))


def _write(
    matrix: MeasuredMatrix,
    endpoint: Endpoint,
    settings: BenchmarkSettings,
    conditions: Mapping[str, object],
    folder: Path,
) -> None:
    write_matrix(matrix, endpoint, settings, conditions, folder)
    plots.draw_all(matrix.rows(), settings.slo, folder)
    write_report(folder)
    shutil.rmtree(folder / _UNFINISHED, ignore_errors=True)


@contextlib.contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out:
        out.mkdir(parents=True, exist_ok=True)
        yield out
    else:
        with temporary_folder("bench") as folder:
            yield folder


def _print_report(matrix: MeasuredMatrix, settings: BenchmarkSettings) -> None:
    rows, calibration = matrix.rows(), matrix.calibration
    Console(width=_WIDTH, highlight=False, markup=False).print(_table(rows))
    print("times in ms")
    requests = [row for result in matrix.results for row in result.requests]
    for found in (conversation_shares(rows), session_turns(rows, requests, settings.seed)):
        if found:
            console().print(text_table(found, list(found[0])))
    print(
        f"client alone: TTFT {calibration.floor_ttft_s * 1e3:.2f} ms, at most "
        f"{calibration.ceiling_requests_per_s:.0f} requests/s, {calibration.cpu_ms_per_request:.2f} ms CPU per request"
    )
    for row in rows:
        if row["client_limited"]:
            print(f"{row['cell']} measured the client as much as the server")
        if row["marched"]:
            print(f"{row['cell']} marched: {row['in_step_share']:.0%} of its requests left in step with others")
        if answers_differ(row, settings.min_as_idle):
            print(f"{row['cell']} has other answers than the idle server, of {row['idle_compared']} compared")
    for row in rows:
        if row["error_rate"]:
            print(f"{row['cell']} failed: {row['failures']}")


def _table(rows: Rows) -> Table:
    table = Table("cell", box=None, pad_edge=False, header_style="bold")
    for title in _COLUMNS:
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(row["cell"], *(_cell(row[name], spec, scale) for name, spec, scale in _COLUMNS.values()))
    return table


def _cell(value: float | None, spec: str, scale: float) -> str:
    return "-" if value is None else format(value * scale, spec)
