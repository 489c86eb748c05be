"""Loads of conversations: a server that cuts its answers under load shows, and sessions have a row for each turn."""

import asyncio
import csv
import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fc_assets.foundation.artifacts import Artifact
from fc_assets.load_test.checks import answers_hold_under_load
from fc_assets.load_test.cli import main
from fc_assets.load_test.matrix.cells import MatrixCell, matrix_cells
from fc_assets.load_test.matrix.matrix_measurement import measure_single_cell
from fc_assets.load_test.matrix.workloads import read_questions
from fc_assets.names import CELLS_CSV, CELLS_JSON, MATRIX_CELLS, REPORT_HTML
from fc_assets.profiles import BenchmarkSettings, ServiceLevel, load_profile
from fc_assets.serving.server import connect
from fc_assets_tests.load_test.conftest import CONVERSATION, question
from fc_assets_tests.support.scripted_server import Action, ScriptedServer, answer, call_answer

SETTINGS = BenchmarkSettings(
    mode="full", requests_per_cell=12, warmup_requests=2, idle_answers=8, tool_wait_s=0.01, slo=ServiceLevel()
)


ANSWER_S = 0.03


class Cutting:
    """Answers each question with the number in it; where it `cuts`, with half of the call while others are under way.

    That is told by when the last request came: a client with one at a time waits `ANSWER_S` for each.
    """

    def __init__(self, *, cuts: bool) -> None:
        self._cuts, self._last, self._lock = cuts, 0.0, threading.Lock()

    def __call__(self, body: Mapping[str, Any]) -> list[Action]:
        asked = [message["content"] for message in body["messages"] if message["role"] == "user"][-1]
        arguments = json.dumps({"a": int(asked.split()[-1])})
        with self._lock:
            now = time.perf_counter()
            crowded, self._last = now - self._last < 0.9 * ANSWER_S, now
        if self._cuts and crowded:
            arguments = arguments[: len(arguments) // 2]
        return call_answer("add", arguments, first_s=ANSWER_S)


@pytest.fixture
def split(tmp_path: Path) -> Path:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([CONVERSATION, *map(question, range(9))]))
    return file


def measured(split: Path, cell: MatrixCell, *, cuts: bool) -> dict[str, Any]:
    with ScriptedServer(Cutting(cuts=cuts)) as server:
        questions = read_questions(split, SETTINGS, None)
        found = asyncio.run(measure_single_cell(connect(server.url, "m"), cell, SETTINGS, print, questions))
    return dict(found.figures)


TOOLS, SESSIONS = MatrixCell("tools-free", concurrency=3), MatrixCell("sessions", concurrency=3, reuse=0.5)


@pytest.mark.parametrize("cell", [TOOLS, SESSIONS])
def test_a_server_that_cuts_its_answers_under_load_shows(split: Path, cell: MatrixCell) -> None:
    figures = measured(split, cell, cuts=True)
    assert figures["error_rate"] == 0  # each answer was whole as far as the protocol goes
    assert figures["idle_compared"] == 8
    assert figures["as_idle_share"] < SETTINGS.min_as_idle
    assert figures["cut_under_load_share"] == 1 - figures["as_idle_share"]
    assert figures["valid_call_share_compared"] < 1
    assert figures["valid_call_share_idle"] == 1


@pytest.mark.parametrize("cell", [TOOLS, SESSIONS, MatrixCell("tools-free", concurrency=1)])
def test_a_server_that_answers_alike_has_nothing_to_show(split: Path, cell: MatrixCell) -> None:
    figures = measured(split, cell, cuts=cell.concurrency == 1)  # which cuts only under load
    assert (figures["as_idle_share"], figures["cut_under_load_share"]) == (1, 0)
    assert figures["valid_call_share"] == figures["valid_call_share_idle"] == 1


@pytest.mark.sees_red("answers_hold_under_load")
def test_the_check_is_red_where_answers_differ_or_none_could_be_compared(tmp_path: Path) -> None:
    asked = {
        "cell": "tools-free-c8", "idle_compared": 8, "as_idle_share": 0.95, "cut_under_load_share": 0.0,
        "valid_call_share_compared": 1.0, "valid_call_share_idle": 1.0,
    }  # fmt: skip
    not_asked = dict.fromkeys(asked, None) | {"cell": "closed-c8"}
    runtime = SimpleNamespace(profile=load_profile("demo"))
    for row, wrong in (
        (asked, ""),
        (asked | {"as_idle_share": 0.85}, "tools-free-c8"),
        (not_asked | {"cell": "tools-free-c8", "idle_compared": 0}, "tools-free-c8"),
    ):
        pq.write_table(pa.Table.from_pylist([not_asked, row]), tmp_path / MATRIX_CELLS)
        found = answers_hold_under_load(Artifact("benchmark_matrix", tmp_path, "digest", {}), runtime)
        assert found.passed is not bool(wrong)
        assert found.metadata["answers_differ"].value == wrong
    pq.write_table(pa.Table.from_pylist([not_asked]), tmp_path / MATRIX_CELLS)
    found = answers_hold_under_load(Artifact("benchmark_matrix", tmp_path, "digest", {}), runtime)
    assert not found.passed and "None was compared" in str(found.description), "nothing compared is no proof"


def test_the_full_matrix_asks_at_each_level_and_for_each_share_of_reuse(split: Path) -> None:
    settings = SETTINGS.model_copy(
        update={
            "concurrency": (1, 4),
            "context_lengths": (16,),
            "request_rates": (),
            "slo": ServiceLevel(at_concurrency=4),
        }
    )
    names = [cell.name for cell in matrix_cells(settings, tools=True, sessions=True)]
    assert names[2:] == [
        "cancelled-c4-ctx16", "tools-free-c1", "tools-free-c4", "tools-constrained-c4", "sessions-c4-reuse0",
        "sessions-c4-reuse100",
    ]  # fmt: skip
    quick = matrix_cells(settings.model_copy(update={"mode": "quick"}), tools=True, sessions=True)
    assert [cell.name for cell in quick if not cell.context_length] == ["tools-free-c4", "tools-constrained-c4"]


def test_the_command_line_asks_a_files_conversations(
    split: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(body: Mapping[str, Any]) -> list[Action]:
        if "messages" in body:
            prompt = len(json.dumps(body["messages"]))
            return call_answer("add", '{"a": 1}', prompt_tokens=prompt, first_s=0.003 * len(body["messages"]))
        return answer(body)

    options = "--concurrency 2 --context-lengths 16 --output-tokens 4 --requests 8 --tool-wait 0.01 --reuse 0.5".split()
    out = tmp_path / "out"
    with ScriptedServer(script) as server:
        asked = ["bench", "--api-url", server.url, *options, "--conversations", str(split), "--out", str(out)]
        assert main(asked) == 0
    printed = capsys.readouterr().out
    assert "as when idle" in printed
    with (out / CELLS_CSV).open() as stream:
        cells = [row["cell"] for row in csv.DictReader(stream)]
    assert cells == ["closed-c2-ctx16", "tools-free-c2", "tools-constrained-c2", "sessions-c2-reuse50"]
    lines = [line.split() for line in printed.splitlines()]
    turns = [line for line in lines if line[:1] == ["sessions-c2-reuse50"] and line[1] in ("1", "2", "3")][-3:]
    assert [line[1] for line in turns] == ["1", "2", "3"]
    growing = [float(line[3]) for line in turns]
    assert growing == sorted({*growing})
    assert json.loads((out / CELLS_JSON).read_text())["cells"][-1]["as_idle_share"] == 1
    page = (out / REPORT_HTML).read_text()
    assert "Sessions, turn by turn" in page
    assert "conversations.sha256" in page


def test_the_command_line_fails_where_a_server_cuts_its_answers_under_load(
    split: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cutting = Cutting(cuts=True)
    options = "--concurrency 3 --context-lengths 16 --output-tokens 4 --requests 8 --tool-wait 0 --reuse 0".split()
    with ScriptedServer(lambda body: cutting(body) if "messages" in body else answer(body)) as server:
        assert main(["bench", "--api-url", server.url, *options, "--conversations", str(split)]) == 5
    assert "tools-free-c3 has other answers than the idle server, of 12 compared" in capsys.readouterr().out


def test_a_file_without_a_call_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "words.json"
    file.write_text(
        json.dumps([{"id": "1", "conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hi"}]}])
    )
    with ScriptedServer(answer) as server:
        assert main(["bench", "--api-url", server.url, "--conversations", str(file)]) == 1
    assert "has no row that expects a tool call" in capsys.readouterr().err
