"""The search on a scripted server whose capacity is known."""

import asyncio
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fc_assets.load_test.capacity.probes import Capacities, measure_capacities, read_capacities
from fc_assets.load_test.cli import main
from fc_assets.names import CAPACITY_PLOT
from fc_assets.profiles import BenchmarkSettings, ServiceLevel
from fc_assets.serving.server import connect
from fc_assets_tests.support.scripted_server import Action, ScriptedServer, answer

SLOTS, SERVICE_S, PROMISE_S = 2, 0.03, 0.3
SETTINGS = BenchmarkSettings(
    output_tokens=2,
    output_spread=0,
    requests_per_cell=24,
    warmup_requests=0,
    capacity_seconds=20,
    slo=ServiceLevel(ttft_p95_s=PROMISE_S, tpot_p95_s=0.1, at_concurrency=2),
)


class Slots:
    """A server of `SLOTS` places in the order of arrival, each request holding one for `SERVICE_S`.

    With c under way in a closed load, a request waits until c / SLOTS times SERVICE_S are over: so it takes
    SLOTS x PROMISE_S / SERVICE_S = 20 under way, and a little less than SLOTS / SERVICE_S = 67 requests a second.
    """

    def __init__(self) -> None:
        self._free = [0.0] * SLOTS
        self._lock = threading.Lock()

    def __call__(self, body: Mapping[str, Any]) -> list[Action]:
        now = time.perf_counter()
        with self._lock:
            self._free.sort()
            done = self._free[0] = max(self._free[0], now) + SERVICE_S
        return answer(body, first_s=done - now)


def found(settings: BenchmarkSettings, *kinds: str) -> Capacities:
    with ScriptedServer(Slots()) as server:
        endpoint = connect(server.url, "m")
        return asyncio.run(
            measure_capacities(endpoint, settings, context_length=4, kinds=kinds, progress=lambda _: None)
        )


def test_a_promise_that_cannot_be_kept_is_a_capacity_of_zero() -> None:
    broken = SETTINGS.model_copy(update={"slo": ServiceLevel(ttft_p95_s=0.02, tpot_p95_s=0.1, at_concurrency=2)})
    capacities = found(broken, "closed")
    assert capacities.closed.level == 0
    assert capacities.open is None
    assert all(probe.ttft_p95_s > 0.02 for probe in capacities.closed.probes)


def test_a_search_ends_in_its_time() -> None:
    began = time.perf_counter()
    capacities = found(SETTINGS.model_copy(update={"capacity_seconds": 1}), "closed")
    assert time.perf_counter() - began < 2
    assert capacities.closed.level >= 2
    assert not capacities.closed.confirmed


def test_the_command_line_prints_what_it_tried_and_fails_where_nothing_met_the_slo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--context-length 4 --output-tokens 2 --requests 8 --seconds 1".split()
    with ScriptedServer(Slots()) as server:
        asked = ["capacity", "--api-url", server.url, *options]
        assert main([*asked, "--ttft", "0.01", "--out", str(tmp_path)]) == 3
        assert main([*asked, "--ttft", "0"]) == 1
    printed = capsys.readouterr()
    assert "closed: no load met the SLO; the lowest tried was 1 requests under way" in printed.out
    assert "error: ttft_p95_s: Input should be greater than 0" in printed.err
    assert (tmp_path / CAPACITY_PLOT).stat().st_size > 5000
    assert read_capacities(tmp_path).closed.level == 0


@pytest.mark.long
def test_the_capacity_of_a_scripted_server_is_found_within_five_per_cent() -> None:
    capacities = found(SETTINGS, "closed", "open")
    assert capacities.closed.confirmed
    # What the server could really do on this machine, whatever else that did: by Little's law, as many are under way.
    possible = max(probe.requests_per_s for probe in capacities.closed.probes)
    assert capacities.closed.level == pytest.approx(possible * PROMISE_S, rel=0.05)
    assert capacities.open.level == pytest.approx(possible, rel=0.07)  # 5 %, and the queue of Poisson arrivals
    assert len(capacities.closed.by_level()) >= 4
