"""A load whose client goes away: cancelled requests are no failures, and a server that keeps their slots shows."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fc_assets.foundation.artifacts import Artifact
from fc_assets.load_test.checks import cancelled_requests_free_their_slots
from fc_assets.load_test.cli import main
from fc_assets.load_test.matrix import freed_slots
from fc_assets.load_test.matrix.cells import MatrixCell
from fc_assets.load_test.matrix.matrix_measurement import measure_single_cell
from fc_assets.names import MATRIX_CELLS
from fc_assets.profiles import BenchmarkSettings, ServiceLevel
from fc_assets.serving.server import connect
from fc_assets.serving.vllm_metrics import RUNNING, WAITING
from fc_assets_tests.support.scripted_server import Action, Exchange, ScriptedServer, answer

SETTINGS = BenchmarkSettings(
    output_tokens=8,
    output_spread=0,
    requests_per_cell=20,
    warmup_requests=0,
    cancel_share=0.25,
    slo=ServiceLevel(ttft_p95_s=1.0, tpot_p95_s=0.1),
)
CELL = MatrixCell("cancelled", 4, concurrency=2)


def script(body: Mapping[str, Any]) -> list[Action]:
    return answer(body, first_s=0.01, gap_s=0.005)


def went_away(exchanges: list[Exchange]) -> list[Exchange]:
    """Those that the client left before their last token."""
    return [each for each in exchanges if each.body["max_tokens"] == 8 and len(each.outputs) < 8]


def measured(server: ScriptedServer, settings: BenchmarkSettings = SETTINGS) -> dict[str, Any]:
    return dict(asyncio.run(measure_single_cell(connect(server.url, "m"), CELL, settings, print)).figures)


def test_a_share_is_cancelled_after_some_tokens_and_is_no_failure() -> None:
    with ScriptedServer(script) as server:
        figures = measured(server)
        left = went_away(server.exchanges)
    assert figures["cancelled"] == 5
    assert figures["requests"] == figures["completed"] == 15
    assert (figures["error_rate"], figures["failures"], figures["slo_share"]) == (0, {}, 1)
    assert left  # what it had sent before it noticed depends on the machine
    assert all(each.outputs for each in left)
    assert figures["ttft_after_s"] >= 0.01
    assert (figures["slots_kept"], figures["slots_freed_s"]) == (None, None)  # this server has no gauges


def test_it_may_be_cancelled_after_some_time() -> None:
    with ScriptedServer(lambda body: answer(body, first_s=0.06, gap_s=0.001)) as server:
        figures = measured(server, SETTINGS.model_copy(update={"cancel_after_s": 0.03}))
    assert (figures["cancelled"], figures["error_rate"]) == (5, 0)


def test_slots_are_looked_at_until_they_are_free() -> None:
    busy = iter([1, 2, 2, 1])  # the first is read at the end of the load
    with ScriptedServer(script) as server:

        def text() -> str:
            # While the load runs the numbers do not matter.
            waiting = len(server.exchanges) >= 20 and all(each.ended for each in server.exchanges)
            return f"{RUNNING} {next(busy, 0) if waiting else 1}\n{WAITING} 0\n"

        server.gets["/metrics"] = text
        figures = measured(server)
    assert figures["slots_kept"] == 0
    assert 0.05 < figures["slots_freed_s"] < 5


@pytest.mark.sees_red("cancelled_requests_free_their_slots")
def test_a_server_that_keeps_the_slots_of_cancelled_requests_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(freed_slots, "FREE_WITHIN_S", 0.2)
    with ScriptedServer(script) as server:
        server.gets["/metrics"] = lambda: f"{RUNNING} {len(went_away(server.exchanges))}\n{WAITING} 0\n"
        leaking = measured(server)
    assert leaking["slots_kept"] >= 1
    assert leaking["slots_freed_s"] is None
    healthy = leaking | {"slots_kept": 0.0, "slots_freed_s": 0.01}
    for figures, red in ((leaking, True), (healthy, False), (healthy | {"ttft_after_s": None}, True)):
        plain = dict.fromkeys(figures, None) | {"kind": "closed", "cell": "closed-c1"}
        rows = [{**row, "failures": "{}"} for row in (plain, figures)]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / MATRIX_CELLS)
        found = cancelled_requests_free_their_slots(Artifact("benchmark_matrix", tmp_path, "digest", {}))
        assert found.passed is not red


def test_the_command_line_adds_the_load(capsys: pytest.CaptureFixture[str]) -> None:
    options = "--concurrency 2 --context-lengths 4 --output-tokens 8 --requests 8 --cancel-share 0.5".split()
    with ScriptedServer(script) as server:
        assert main(["bench", "--api-url", server.url, *options]) == 0
    assert "cancelled-c2-ctx4" in capsys.readouterr().out
