"""The search against queues whose capacity is known, in virtual time: it is found within 5 %, and said how surely."""

import asyncio
import random
from collections.abc import Callable

import pytest

from fc_assets.load_test.capacity.search import ATTAINMENT, OutOfTimeError, SloCapacity, TriedLoad, find_capacity

SERVICE_S = 0.010
PROMISE_S = 0.2
"""A request may wait that long in all."""


def probe(level: float, kept: int, requests: int = 100) -> TriedLoad:
    return TriedLoad(level=level, requests=requests, kept=kept, requests_per_s=level, ttft_p95_s=None, tpot_p95_s=None)


def search(
    kind: str, once: Callable[[float], TriedLoad], start: float, highest: float = 4096, tries: int = 1000
) -> SloCapacity:
    left = iter(range(tries))

    async def attempt(level: float) -> TriedLoad:
        if next(left, None) is None:
            raise OutOfTimeError
        return once(level)

    return asyncio.run(find_capacity(kind, attempt, start=start, highest=highest))


def queue(rate: float, requests: int, rng: random.Random) -> TriedLoad:
    """One server that takes `SERVICE_S` for each request of a Poisson process (Lindley's recursion)."""
    kept, wait = 0, 0.0
    for _ in range(requests):
        kept += wait + SERVICE_S <= PROMISE_S
        wait = max(0.0, wait + SERVICE_S - rng.expovariate(rate))
    return probe(rate, kept, requests)


def true_rate() -> float:
    """The highest rate at which 95 % of very many requests keep the promise."""
    low, high = 1.0, 1 / SERVICE_S
    for _ in range(10):
        middle = (low + high) / 2
        found = queue(middle, 30_000, random.Random(1))
        low, high = (middle, high) if found.kept >= ATTAINMENT * found.requests else (low, middle)
    return low


def test_the_rate_that_a_queue_takes_is_found_within_five_per_cent() -> None:
    rng, truth = random.Random(2), true_rate()
    found = search("open", lambda rate: queue(rate, 3000, rng), start=10.0)
    assert found.level == pytest.approx(truth, rel=0.05)
    assert found.level < found.broken_at <= found.level * 1.06
    assert found.confirmed


@pytest.mark.parametrize("truth", [1, 2, 7, 19, 100, 333])
@pytest.mark.parametrize("start", [1, 16])
def test_the_concurrency_that_a_server_takes_is_found(truth: int, start: int) -> None:
    found = search("closed", lambda level: probe(level, 100 if level <= truth else 40), start=start)
    assert truth / 1.05 <= found.level <= truth
    assert truth < found.broken_at <= truth * 1.05 + 1
    assert len(found.probes) < 30


def test_a_server_that_never_keeps_it_has_capacity_zero_and_says_so() -> None:
    for kind, unit in (("closed", "requests under way"), ("open", "requests/s")):
        found = search(kind, lambda level: probe(level, 0), start=8)
        assert found.level == 0
        assert found.confirmed
        assert found.describe().startswith("no load met the SLO; the lowest tried was")
        assert unit in found.describe()


def test_a_server_without_a_limit_is_tried_up_to_the_highest_load() -> None:
    found = search("closed", lambda level: probe(level, 100), start=8, highest=50)
    assert (found.level, found.broken_at, found.confirmed) == (50, None, True)
    assert "no higher load broke it" in found.describe()


def test_a_lucky_try_is_not_confirmed_by_its_repeats() -> None:
    tried: list[float] = []

    def once(level: float) -> TriedLoad:
        tried.append(level)
        lucky = level <= 20 and tried.count(level) == 1
        return probe(level, 100 if level <= 10 or lucky else 50)

    found = search("closed", once, start=4)
    assert found.level == 10
    assert found.confirmed


def test_an_unlucky_try_does_not_hide_what_the_server_takes() -> None:
    tried: list[float] = []

    def once(level: float) -> TriedLoad:
        tried.append(level)
        unlucky = level == 16 and tried.count(level) == 1
        return probe(level, 94 if unlucky else 100 if level <= 20 else 0)

    assert search("closed", once, start=4).level == 20


def test_when_the_time_is_over_what_is_known_is_the_result() -> None:
    found = search("closed", lambda level: probe(level, 100 if level <= 100 else 0), start=8, tries=3)
    assert (found.level, found.broken_at, found.confirmed) == (32, None, False)
    assert "not confirmed" in found.describe()
    nothing = search("open", lambda level: probe(level, 0), start=8, tries=0)
    assert nothing.probes == []
    assert "no load was tried" in nothing.describe()


def test_the_evidence_is_a_curve_over_all_tries() -> None:
    found = search("closed", lambda level: probe(level, 98 if level <= 2 else 10), start=1)
    assert found.by_level() == [(1, 98, 100), (2, 294, 300), (3, 30, 300), (4, 10, 100)]
