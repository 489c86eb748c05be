"""A closed load of equal answers marches on a server that computes in steps, and is recognised; unequal ones part."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest

from fc_assets.load_test.load.burstiness import burstiness
from fc_assets.load_test.load.client import Client, Reply
from fc_assets.load_test.load.generator import Load, LoadResult, Sample, drive
from fc_assets.load_test.load.workload import answer_lengths, token_prompts
from fc_assets.serving.endpoint import Endpoint
from fc_assets_tests.support.scripted_server import Action, ScriptedServer, answer

STEP_S = 0.02
MEASURED = 48


def in_steps(body: Mapping[str, Any]) -> list[Action]:
    """Each token at one of the server's ticks, as an engine that computes all its requests together gives them."""
    return answer(body, first_s=STEP_S - time.perf_counter() % STEP_S, gap_s=STEP_S)


def closed(lengths: tuple[int, ...]) -> LoadResult:
    async def once(url: str) -> LoadResult:
        async with Client(Endpoint(url, "m", ""), timeout_s=10) as client:
            load = Load(MEASURED, warmup=8, concurrency=8, spread_s=0.05)
            return await drive(client, load, token_prompts("m", 4, lengths, seed=1))

    with ScriptedServer(in_steps) as server:
        return asyncio.run(once(server.url))


def test_equal_answers_march_and_unequal_ones_do_not() -> None:
    equal = burstiness(closed((8,)).samples)
    assert equal["marched"]
    assert equal["in_step_share"] > 0.6
    unequal = burstiness(closed(answer_lengths(8, 0.75, MEASURED, seed=1)).samples)
    assert not unequal["marched"]
    assert unequal["in_step_share"] < 0.35


def sent_at(times: list[float], workers: list[int] | list[None]) -> list[Sample]:
    return [
        Sample(number, "measured", when, Reply(when, when + 0.01, [when + 0.01]), worker)
        for number, (when, worker) in enumerate(zip(times, workers, strict=True))
    ]


def test_figures_of_sendings_that_are_known() -> None:
    bursts = [second + late for second in range(10) for late in (0.0, 0.001, 0.002, 0.003)]
    found = burstiness(sent_at(bursts, [0, 1, 2, 3] * 10))
    assert found["sent_within_5ms_share"] == 1
    assert found["send_gap_cv"] == pytest.approx(3**0.5, rel=0.05)  # the square root of c - 1
    assert found["in_step_share"] == 1
    assert found["marched"]
    even = burstiness(sent_at([0.25 * number for number in range(40)], [0, 1, 2, 3] * 10))
    assert even == {"sent_within_5ms_share": 0, "send_gap_cv": pytest.approx(0), "in_step_share": 0, "marched": False}


def test_workers_that_meet_in_every_round_but_each_time_others_do_not_march() -> None:
    order = [[0, 1, 2, 3], [0, 2, 1, 3], [0, 3, 1, 2]]
    workers = [worker for turn in range(12) for worker in order[turn % 3]]
    times = [turn + pair / 2 for turn in range(12) for pair in (0, 0.002, 1, 1.002)]
    found = burstiness(sent_at(times, workers))
    assert found["sent_within_5ms_share"] == 1
    assert not found["marched"]


def test_rounds_so_short_that_all_are_together_by_chance_prove_nothing() -> None:
    times = [0.006 * turn + late for turn in range(20) for late in (0.0, 0.0005)]
    assert burstiness(sent_at(times, [0, 1] * 20))["marched"] is None


def test_an_open_load_and_a_single_worker_have_nobody_to_march_with() -> None:
    for workers in ([None] * 9, [0] * 9):
        found = burstiness(sent_at([0.1 * number for number in range(9)], workers))
        assert found["in_step_share"] is None
        assert found["marched"] is None
    assert burstiness([])["send_gap_cv"] is None
