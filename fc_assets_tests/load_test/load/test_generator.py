"""Who sends when: never more than the concurrency, warm-up apart, and no latency hidden by a client that waits."""

import asyncio
import threading
from collections.abc import Callable

import numpy as np
import orjson
import pytest

from fc_assets.load_test.load.client import Client, Request
from fc_assets.load_test.load.generator import Load, LoadResult, drive
from fc_assets.serving.endpoint import Endpoint
from fc_assets_tests.support.scripted_server import HEAD, ScriptedServer, Send, answer, event, token

TOKENS = 3


def make(_: int) -> Request:
    return Request("/v1/completions", orjson.dumps({"prompt": [1], "max_tokens": TOKENS}), 1, TOKENS)


def run(server: ScriptedServer, load: Load, request: Callable[[int], Request] = make) -> LoadResult:
    async def once() -> LoadResult:
        async with Client(Endpoint(server.url, "m", ""), timeout_s=10) as client:
            return await drive(client, load, request)

    return asyncio.run(once())


def count(result: LoadResult, phase: str) -> int:
    return sum(sample.phase == phase for sample in result.samples)


def under_way(server: ScriptedServer) -> int:
    """The most requests that the server saw at once."""
    edges = sorted([(e.received, 1) for e in server.exchanges] + [(e.ended, -1) for e in server.exchanges])
    return int(np.cumsum([step for _, step in edges]).max())


def test_a_closed_load_keeps_its_concurrency() -> None:
    with ScriptedServer(lambda body: answer(body, first_s=0.02, gap_s=0.005)) as server:
        result = run(server, Load(measured=24, warmup=6, concurrency=4, spread_s=0.02))
    assert count(result, "measured") == 24
    assert count(result, "warm-up") >= 6
    assert under_way(server) == 4
    assert not any(sample.reply.failure for sample in result.samples)


def test_the_load_stays_up_until_the_last_measured_request_has_ended() -> None:
    slow = threading.Event()

    def script(body: object) -> list:
        if not slow.is_set() and body["number"] == 7:  # the last of 2 + 6 requests
            slow.set()
            return answer(body, first_s=0.4)
        return answer(body, first_s=0.02)

    def numbered(index: int) -> Request:
        return Request("/v1/completions", orjson.dumps({"prompt": [1], "max_tokens": TOKENS, "number": index}), 1)

    with ScriptedServer(script) as server:
        result = run(server, Load(measured=6, warmup=2, concurrency=2), numbered)
    assert count(result, "measured") == 6
    assert count(result, "filler") >= 5  # the other worker went on for some 0.4 s
    last = max(sample.reply.ended for sample in result.samples if sample.phase == "measured")
    assert result.window_end == last


def test_warm_up_goes_over_into_measuring_without_a_pause() -> None:
    with ScriptedServer(lambda body: answer(body, first_s=0.05)) as server:
        result = run(server, Load(measured=8, warmup=4, concurrency=4, spread_s=0.03))
    last_warm_end = max(sample.reply.ended for sample in result.samples if sample.phase == "warm-up")
    assert result.window_start <= last_warm_end + 0.01


def test_an_open_load_sends_at_the_given_rate_whatever_the_server_does() -> None:
    with ScriptedServer(lambda body: answer(body, first_s=0.25)) as server:
        result = run(server, Load(measured=120, warmup=10, rate=200, seed=3))
    intended = np.array([sample.intended for sample in result.samples])
    gaps = np.diff(intended)
    measured = [sample.intended for sample in result.samples if sample.phase == "measured"]
    assert (measured[-1] - measured[0]) / 119 == pytest.approx(1 / 200, rel=0.05)  # all but one gap of a round
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.35)  # as an exponential has it
    assert under_way(server) > 20  # nobody waited for an answer before sending


def test_latency_counts_from_the_intended_sending() -> None:
    """A client that is held up sends late; the wait is the request's all the same."""
    blocked = []

    def make_slowly(index: int) -> Request:
        if index == 20:
            blocked.append(index)
            threading.Event().wait(0.3)  # holds the whole loop up
        return make(index)

    with ScriptedServer(answer) as server:
        result = run(server, Load(measured=40, warmup=2, rate=100, seed=1), make_slowly)
    assert blocked
    waits = [sample.reply.sent - sample.intended for sample in result.samples]
    assert max(waits) > 0.25
    assert sum(wait > 0.05 for wait in waits) >= 10  # all that were due meanwhile


def test_the_same_seed_gives_the_same_schedule() -> None:
    with ScriptedServer(answer) as server:
        gaps = []
        for _ in range(2):
            result = run(server, Load(measured=20, warmup=0, rate=400, seed=7))
            intended = [sample.intended for sample in result.samples][:20]
            gaps.append(np.diff(intended))
    assert np.allclose(*gaps)


def test_a_server_that_only_fails_stops_the_load() -> None:
    with ScriptedServer(lambda _: [Send(b"HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n")]) as server:
        result = run(server, Load(measured=10_000, warmup=0, concurrency=2))
    assert result.cut_off
    assert len(result.samples) < 100


def test_some_failures_do_not_stop_it() -> None:
    numbers = iter(range(10_000))

    def script(body: object) -> list:
        if next(numbers) % 3 == 0:
            return [Send(HEAD), Send(event(token()))]
        return answer(body, first_s=0.002)

    with ScriptedServer(script) as server:
        result = run(server, Load(measured=30, warmup=0, concurrency=2))
    assert not result.cut_off
    failed = [sample for sample in result.samples if sample.reply.failure]
    assert {sample.reply.failure for sample in failed} == {"cut_short"}
    assert len(failed) == pytest.approx(len(result.samples) / 3, abs=2)


def test_a_load_is_closed_or_open() -> None:
    with pytest.raises(ValueError, match="closed"):
        Load(measured=1, warmup=0, concurrency=2, rate=3.0)
