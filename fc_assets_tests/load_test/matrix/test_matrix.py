"""The matrix against scripted servers: every cell once, a killed server costs one cell, and the next run resumes."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.load_test.cli import main
from fc_assets.load_test.findings import plots
from fc_assets.load_test.findings.regression import latency_ratios, slower_cells
from fc_assets.load_test.findings.repeats import runs_in
from fc_assets.load_test.matrix.cell_measurement import CellFailedError, CellResult
from fc_assets.load_test.matrix.cells import matrix_cells
from fc_assets.load_test.matrix.matrix_measurement import MeasuredMatrix, measure_matrix
from fc_assets.load_test.matrix.resume import ResumeFolder
from fc_assets.load_test.matrix.tables import read_record, read_rows, write_matrix
from fc_assets.names import MATRIX_RECORD, MATRIX_REQUESTS
from fc_assets.profiles import BenchmarkSettings, ServiceLevel
from fc_assets.serving.server import connect
from fc_assets_tests.support.scripted_server import HangUp, ScriptedServer, answer

SETTINGS = BenchmarkSettings(
    quick_concurrency=(1, 3),
    quick_context_lengths=(16, 32),
    request_rates=(60.0,),
    output_tokens=4,
    output_spread=0.5,
    requests_per_cell=12,
    warmup_requests=1,
    slo=ServiceLevel(ttft_p95_s=0.5, tpot_p95_s=0.1, at_concurrency=3),
)
CELLS = ["closed-c1-ctx16", "closed-c3-ctx16", "closed-c1-ctx32", "closed-c3-ctx32", "open-rate60-ctx16"]


def quick_answer(body: dict) -> list:
    return answer(body, first_s=0.01, gap_s=0.002)


TWO_CELLS = SETTINGS.model_copy(update={"quick_concurrency": (1,), "request_rates": (), "requests_per_cell": 4})


def run(server: ScriptedServer, folder: Path, settings: BenchmarkSettings = SETTINGS) -> MeasuredMatrix:
    endpoint = connect(server.url, "m")
    return asyncio.run(
        measure_matrix(endpoint, settings, ResumeFolder(folder / "resume"), log=folder / "log", progress=lambda _: None)
    )


def test_every_cell_is_measured_once_with_prompts_exact_to_the_token(tmp_path: Path) -> None:
    with ScriptedServer(quick_answer) as server:
        matrix = run(server, tmp_path)
        prompts = [exchange.body["prompt"] for exchange in server.exchanges]
    assert [result.cell.name for result in matrix.results] == CELLS
    assert {len(prompt) for prompt in prompts} == {16, 32}
    assert len({tuple(prompt) for prompt in prompts}) == len(prompts)  # the prefix cache must not help
    for row in matrix.rows():
        assert row["error_rate"] == 0
        assert row["ttft_p50_s"] >= 0.01
        assert row["reconciled"] is None  # this server has no metrics
    assert matrix.calibration.ceiling_requests_per_s > 50


def test_a_killed_server_keeps_the_finished_cells_and_names_the_one_that_failed(tmp_path: Path) -> None:
    with ScriptedServer(quick_answer) as server:

        def dies_later(body: dict) -> list:
            if len(body["prompt"]) == 32 and server.gets:
                server.gets.clear()
                server.stop()
            return quick_answer(body)

        server.script = dies_later
        with pytest.raises(CellFailedError, match=r"closed-c1-ctx32.*2 of 5 cells are finished and kept"):
            run(server, tmp_path)
        server.stop = lambda: None  # it has stopped already
    with ScriptedServer(quick_answer) as server:
        matrix = run(server, tmp_path)
        assert {len(exchange.body["prompt"]) for exchange in server.exchanges} == {16, 32}
    assert list(matrix.resumed) == CELLS[:2]
    assert [result.cell.name for result in matrix.results] == CELLS


@pytest.mark.parametrize(
    ("gets", "said"),
    [
        ({"/health": 503}, r"gone in cell closed-c1-ctx32 \(1 x disconnected; /health answers 503\)"),
        ({"/metrics": "vllm:request_success_total 1\n"}, "restarted in cell closed-c1-ctx32: its counters began anew"),
    ],
    ids=["the front end still lists models", "it was started again"],
)
def test_a_cell_in_which_the_engine_died_is_not_kept(tmp_path: Path, gets: dict[str, str], said: str) -> None:
    counted = {"/metrics": "vllm:request_success_total 9\n", "/health": ""}
    with ScriptedServer(quick_answer, counted) as server:

        def dies_once(body: dict) -> list:
            if len(body["prompt"]) == 32 and "died" not in server.gets:
                server.gets.update({**gets, "died": ""})
                return [HangUp()]
            return quick_answer(body)

        server.script = dies_once
        with pytest.raises(CellFailedError, match=said + r".* 1 of 2 cells are finished and kept"):
            run(server, tmp_path, TWO_CELLS)
    assert [file.stem for file in (tmp_path / "resume").iterdir()] == CELLS[:1]


def test_a_kept_cell_that_cannot_be_read_is_measured_again(tmp_path: Path) -> None:
    cell, folder = matrix_cells(SETTINGS, tools=False)[0], ResumeFolder(tmp_path)
    folder.keep(CellResult(cell, {"failures": {}}, [], []))
    assert folder.load(cell) is not None
    for text in ("", "[1]", '{"figures": {}}', "[" * 100_000):
        (tmp_path / f"{cell.name}.json").write_text(text)
        assert folder.load(cell) is None


def test_a_server_that_only_errs_fails_the_cell_with_the_kind(tmp_path: Path) -> None:
    with (
        ScriptedServer(lambda _: answer({"max_tokens": 4})) as server,  # it counts another prompt
        pytest.raises(CellFailedError, match=r"only with errors in cell closed-c1-ctx16 \(.* prompt_length\)"),
    ):
        run(server, tmp_path)


def test_a_prompt_that_cannot_fit_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    models = '{"data": [{"id": "m", "max_model_len": 35}]}'
    with ScriptedServer(quick_answer, {"/v1/models": models}) as server:
        with pytest.raises(FcAssetsError, match=r"38 tokens .* takes 35"):
            run(server, tmp_path)
        assert not server.exchanges


def test_an_empty_matrix_is_refused() -> None:
    with pytest.raises(FcAssetsError, match="quick matrix is empty"):
        matrix_cells(SETTINGS.model_copy(update={"quick_concurrency": ()}), tools=False)


def test_tool_call_loads_run_at_the_concurrency_of_the_slo() -> None:
    names = [cell.name for cell in matrix_cells(SETTINGS, tools=True)]
    assert names[-2:] == ["tools-free-c3", "tools-constrained-c3"]


def test_tables_pictures_and_comparison(tmp_path: Path) -> None:
    with ScriptedServer(quick_answer) as server:
        first = run(server, tmp_path / "a")
        server.script = lambda body: answer(body, first_s=0.15, gap_s=0.002)
        second = run(server, tmp_path / "b")
        endpoint = connect(server.url, "m")
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder, matrix in zip(folders, (first, second), strict=True):
        folder.mkdir()
        write_matrix(matrix, endpoint, SETTINGS, {"machine": "this"}, folder)
        plots.draw_all(read_rows(folder), SETTINGS.slo, folder)
    assert [row["cell"] for row in read_rows(folders[0])] == CELLS
    record = json.loads((folders[0] / MATRIX_RECORD).read_text())
    assert list(record["server"]) == ["version", "device", "flags", "start_s", "model_digest", "claim", "max_model_len"]
    assert record["calibration"] == asdict(first.calibration)
    assert isinstance(record["calibration"]["concurrency"], int)
    assert read_record(folders[0]).conditions == {"machine": "this"}
    assert {row["phase"] for row in read_rows(folders[0], MATRIX_REQUESTS)} >= {"warm-up", "measured"}
    assert all((folders[0] / f"{name}.png").stat().st_size > 5000 for name in ("curves", "heat-map"))
    ratios = latency_ratios(folders[1:], folders[:1], seed=1)
    assert {ratio.cell for ratio in slower_cells(ratios, 0.1)} == set(CELLS)
    assert not slower_cells(latency_ratios(folders[:1], folders[:1], seed=1), 0.1)


def test_the_command_line_runs_against_any_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "--concurrency 1,2 --context-lengths 16 --output-tokens 4 --requests 8 --rates 50".split()
    with ScriptedServer(quick_answer) as server:
        assert main(["bench", "--api-url", server.url, *arguments, "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    header, *rows = printed.splitlines()
    assert header.split("  ")[0].strip() == "cell"
    assert all(title in header for title in ("requests/s", "TTFT P50", "E2E P95", "goodput/s", "failed"))
    assert [row.split()[0] for row in rows[:3]] == ["closed-c1-ctx16", "closed-c2-ctx16", "open-rate50-ctx16"]
    assert rows[0].split()[-1] == "0.0%"
    assert "times in ms" in rows
    assert "closed-c2-ctx16" in printed
    assert "open-rate50-ctx16" in printed
    assert (tmp_path / "out" / "cells.parquet").is_file()


def test_repeats_are_kept_apart_and_shown_with_an_interval_over_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--concurrency 2 --context-lengths 16 --output-tokens 4 --requests 8 --repeats 2".split()
    with ScriptedServer(quick_answer) as server:
        assert main(["bench", "--api-url", server.url, *options, "--out", str(tmp_path)]) == 0
    assert [run.name for run in runs_in(tmp_path)] == ["run-1", "run-2"]
    assert "requests_per_s" in capsys.readouterr().out
    assert main(["compare", str(tmp_path), str(tmp_path)]) == 0


def test_the_command_line_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--api-url", "http://127.0.0.1:9"]) == 1
    assert "error: No OpenAI-compatible server answers at http://127.0.0.1:9" in capsys.readouterr().err
