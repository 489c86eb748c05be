"""The benchmark matrix: calibrate, then measure every cell that is still missing.

Works against any endpoint. Starting a server is in `serving.server`, one cell in `cell_measurement`, the files of the
artefact in `tables`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import Turn
from fc_assets.load_test.load.calibration import Calibration, calibrate
from fc_assets.load_test.load.call_validity import call_validator
from fc_assets.load_test.load.client import Client
from fc_assets.load_test.load.request_statistics import CallValidator
from fc_assets.load_test.load.workload import MakeRequest, conversations, token_prompts
from fc_assets.load_test.matrix.cell_measurement import CellFailedError, CellResult, measure_cell
from fc_assets.load_test.matrix.cells import MatrixCell, check_fit, matrix_cells
from fc_assets.load_test.matrix.resume import ResumeFolder
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
    turns: Sequence[Turn] = (),
    log: Path,
    progress: Callable[[str], None],
) -> MeasuredMatrix:
    """Measure all cells of the mode. `turns` that expect a call are asked in the tool-call loads.

    A cell that fails raises `CellFailedError`; the finished ones stay in `resume` and are not measured again.
    """
    with_calls = [turn for turn in turns if turn.calls]
    cells = matrix_cells(settings, tools=bool(with_calls))
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
            make, is_valid_call = _workload(cell, endpoint, settings, with_calls)
            try:
                result = await measure_cell(client, endpoint, cell, make, settings, progress, is_valid_call)
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
    endpoint: Endpoint, cell: MatrixCell, settings: BenchmarkSettings, progress: Callable[[str], None]
) -> CellResult:
    """One cell with synthetic prompts, without calibration."""
    check_fit([cell], settings, endpoint.info.max_model_len)
    make, _ = _workload(cell, endpoint, settings, ())
    async with Client(endpoint, timeout_s=settings.request_timeout_s) as client:
        return await measure_cell(client, endpoint, cell, make, settings, progress)


def _workload(
    cell: MatrixCell, endpoint: Endpoint, settings: BenchmarkSettings, turns: Sequence[Turn]
) -> tuple[MakeRequest, CallValidator | None]:
    if cell.context_length:
        # New prompts for each cell and each run: one that the server has seen would come from its prefix cache.
        seed = secrets.randbits(32)
        return token_prompts(endpoint.model, cell.context_length, cell.answer_lengths(settings), seed), None
    constrained = cell.kind == "tools-constrained"
    make = conversations(endpoint.model, turns, settings.tool_call_tokens, constrained=constrained)
    return make, call_validator(turns)


def _where_logged(endpoint: Endpoint) -> str:
    return f"; the server's log is {endpoint.info.log}" if endpoint.info.log else ""


def _one_line(result: CellResult) -> str:
    figures = result.figures
    return (
        f"{result.cell.name}: TTFT P95 {figures['ttft_p95_s'] * 1e3:.1f} ms, "
        f"{figures['requests_per_s']:.1f} requests/s, "
        f"{figures['output_tokens_per_s']:.0f} output tokens/s, {figures['error_rate']:.0%} failed"
    )
