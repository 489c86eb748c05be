"""The benchmark matrix: calibrate, then measure every cell that is still missing.

Works against any endpoint. Starting a server is in `serving.server`, one cell in `cell_measurement`, the files of the
artefact in `tables`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.load_test.load.calibration import Calibration, calibrate
from fc_assets.load_test.load.client import Client
from fc_assets.load_test.load.workload import token_prompts
from fc_assets.load_test.matrix.cell_measurement import CellFailedError, CellResult, measure_cell
from fc_assets.load_test.matrix.cells import MatrixCell, check_fit, matrix_cells
from fc_assets.load_test.matrix.resume import ResumeFolder
from fc_assets.load_test.matrix.workloads import NO_QUESTIONS, Questions, workload
from fc_assets.profiles import BenchmarkSettings
from fc_assets.serving.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class MeasuredMatrix:
    """A complete matrix. `resumed` names the cells that an earlier, interrupted run had measured."""

    calibration: Calibration
    results: Sequence[CellResult]
    resumed: Sequence[str]

    def rows(self) -> list[dict[str, Any]]:
        """One flat record per cell: its figures, and whether the client limited them."""
        return [
            {
                **result.figures,
                "failures": json.dumps(result.figures["failures"]),
                "client_limited": self.calibration.limits(
                    result.figures["events_per_s"], result.figures["client_cpu_share"]
                ),
            }
            for result in self.results
        ]


async def measure_matrix(
    endpoint: Endpoint,
    settings: BenchmarkSettings,
    resume: ResumeFolder,
    *,
    questions: Questions = NO_QUESTIONS,
    log: Path,
    progress: Callable[[str], None],
) -> MeasuredMatrix:
    """Measure all cells of the mode. `questions` are asked in the loads of conversations.

    A cell that fails raises `CellFailedError`; the finished ones stay in `resume` and are not measured again.
    """
    cells = matrix_cells(settings, tools=bool(questions.turns), sessions=questions.conversations is not None)
    check_fit(cells, settings, endpoint.info.max_model_len)
    calibration = await calibrate(
        token_prompts("null", max(cell.context_length for cell in cells), (settings.output_tokens,), settings.seed),
        chunks=settings.output_tokens,
        concurrency=max(cell.concurrency for cell in cells),
        log=log.with_name("null-server.log"),
    )
    results, resumed = [], []
    async with Client(endpoint, timeout_s=settings.request_timeout_s) as client:
        for cell in cells:
            if kept := resume.load(cell):
                results.append(kept)
                resumed.append(cell.name)
                continue
            load = workload(cell, endpoint.model, settings, questions)
            try:
                result = await measure_cell(client, endpoint, cell, load, settings, progress)
            except CellFailedError as error:
                raise CellFailedError(
                    f"{error}; {len(results)} of {len(cells)} cells are finished and kept, so start again to measure "
                    f"the rest{_where_logged(endpoint)}"
                ) from error
            resume.keep(result)
            results.append(result)
            progress(_one_line(result))
    return MeasuredMatrix(calibration, results, resumed)


async def measure_single_cell(
    endpoint: Endpoint,
    cell: MatrixCell,
    settings: BenchmarkSettings,
    progress: Callable[[str], None],
    questions: Questions = NO_QUESTIONS,
) -> CellResult:
    """One cell without calibration."""
    check_fit([cell], settings, endpoint.info.max_model_len)
    load = workload(cell, endpoint.model, settings, questions)
    async with Client(endpoint, timeout_s=settings.request_timeout_s) as client:
        return await measure_cell(client, endpoint, cell, load, settings, progress)


def _where_logged(endpoint: Endpoint) -> str:
    return f"; the server's log is {endpoint.info.log}" if endpoint.info.log else ""


def _one_line(result: CellResult) -> str:
    figures = result.figures
    return (
        f"{result.cell.name}: TTFT P95 {figures['ttft_p95_s'] * 1e3:.1f} ms, "
        f"{figures['requests_per_s']:.1f} requests/s, "
        f"{figures['output_tokens_per_s']:.0f} output tokens/s, {figures['error_rate']:.0%} failed"
    )
