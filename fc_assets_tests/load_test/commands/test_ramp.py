"""A ramp sends as many requests as its rates say, ever faster, and says at which rate the SLO broke."""

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fc_assets.load_test.cli import main
from fc_assets.load_test.load.ramp import SLICES, ramp_times
from fc_assets.names import RAMP
from fc_assets_tests.support.scripted_server import HEAD, Action, ScriptedServer, Send, answer


def test_the_rate_rises_evenly_and_the_times_are_those_of_a_poisson_process() -> None:
    times = np.array(ramp_times(10, 30, 100, seed=1))
    assert len(times) == 2000
    assert 0 <= times[0] < times[-1] <= 100
    assert (np.diff(times) >= 0).all()
    counts, _ = np.histogram(times, bins=4, range=(0, 100))
    assert counts == pytest.approx([312.5, 437.5, 562.5, 687.5], rel=0.15)
    even = np.array(ramp_times(20, 20, 100, seed=1))
    assert np.diff(even).std() / np.diff(even).mean() == pytest.approx(1, abs=0.1)
    falling, _ = np.histogram(ramp_times(30, 0.001, 100, seed=1), bins=2)
    assert falling[0] > 2.5 * falling[1]


class OnePlace:
    """A server that takes 20 ms for each request, one at a time: 50 a second, and beyond that an ever longer queue."""

    def __init__(self) -> None:
        self._free, self._lock = 0.0, threading.Lock()

    def __call__(self, body: Mapping[str, Any]) -> list[Action]:
        with self._lock:
            now = time.perf_counter()
            self._free = max(self._free, now) + 0.02
            return answer(body, first_s=self._free - now)


def test_it_is_said_at_which_rate_the_slo_broke(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--from 5 --to 125 --seconds 2 --context-length 4 --output-tokens 2 --output-spread 0 --ttft 0.2".split()
    with ScriptedServer(OnePlace()) as server:
        assert main(["ramp", "--api-url", server.url, *options, "--out", str(tmp_path)]) == 0
        assert len(server.exchanges) == 130
    said = json.loads((tmp_path / RAMP).read_text())
    slices = said["slices"]
    assert len(slices) == SLICES
    assert slices[0]["slo_share"] == 1
    assert slices[-1]["slo_share"] == 0
    broken = next(each["rate"] for each in slices if each["slo_share"] < 0.95)
    assert 35 < broken < 110
    printed = capsys.readouterr()
    assert f"the SLO broke first at about {broken:.3g} requests/s" in printed.out
    assert "requests sent" in printed.err


def test_a_server_that_only_errs_stops_the_ramp(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(lambda _: [Send(HEAD)]) as server:
        options = "--from 200 --to 200 --seconds 60 --context-length 4 --output-tokens 2".split()
        assert main(["ramp", "--api-url", server.url, *options]) == 1
    assert "nothing but errors" in capsys.readouterr().err
