"""Closed and open load on one server: who sends when, and which requests are measured.

A *closed* load keeps `concurrency` requests under way: each worker sends its next one when its last has ended. An
*open* load sends at the instants of a Poisson process, however slowly the server answers, at exactly the given rate
over the measured requests. A load of *sessions* is a closed one whose workers each hold a conversation: the next
request of a session is sent when the last has been answered and the tool's wait is over. All begin with requests that
are thrown away (warm-up), continue without a pause with those that are measured, and keep the load up with further ones
(filler) until the last measured request has ended, so that the first and the last meet the same load as the rest.

Latency counts from the instant at which a request was *meant* to be sent; a client that falls behind cannot hide the
wait ("coordinated omission"). One request is sent in `client`; what the figures mean is in `request_statistics`.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from fc_assets.load_test.load.client import CANCELLED, Client, Reply, Request

MakeRequest = Callable[[int], Request]
"""Makes the i-th request of a load."""

Phase = Literal["warm-up", "measured", "filler"]

MAX_FAILURES_IN_A_ROW = 20
"""After so many (or twice the concurrency, if that is more) the server is taken for gone and the load stops."""


@dataclass(frozen=True, slots=True)
class Load:
    """One load. `concurrency` for a closed one, `rate` (requests a second) for an open one; the other is 0.

    `measured` requests count, after at least `warmup` ones. The workers of a closed load start spread at random over
    `spread_s`, so that they do not march in step.
    """

    measured: int
    warmup: int
    concurrency: int = 0
    rate: float = 0.0
    spread_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.concurrency > 0) == (self.rate > 0):
            raise ValueError("a load is either closed (concurrency) or open (rate)")


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """One request of a session, and the seconds for which a tool is waited for before it."""

    request: Request
    wait_s: float = 0.0


MakeSession = Callable[[int], Sequence[SessionRequest]]
"""Makes the requests of the i-th session of a load, in their order."""


@dataclass(slots=True)
class Sample:
    """One request of a load: when it was meant to be sent (`time.perf_counter()` seconds), what came back, which worker
    of a closed load sent it, and which request (`turn`) of which session it was. All are counted from 0.
    """

    index: int
    phase: Phase
    intended: float
    reply: Reply
    worker: int | None = None
    session: int | None = None
    turn: int | None = None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """All requests of a load in the order of sending. The window runs from the first measured request's intended
    sending to the end of the last measured one; `cut_off` says that the load stopped because the server was gone.
    """

    samples: Sequence[Sample]
    window_start: float
    window_end: float
    client_cpu_s: float
    wall_s: float
    cut_off: bool


async def drive(client: Client, load: Load, request: MakeRequest) -> LoadResult:
    """Put `load` on the server. `request(i)` makes the i-th request; it is called just before sending."""
    driver = _Driver(client, load)
    sending = driver.closed(request) if load.concurrency else driver.open(request, driver.poisson_gaps())
    return await _result(driver, sending)


async def drive_sessions(client: Client, load: Load, session: MakeSession) -> LoadResult:
    """Keep `load.concurrency` sessions under way; `session(i)` makes the requests of the i-th one, in their order.

    A session whose request fails ends there, as a conversation without an answer does.
    """
    driver = _Driver(client, load)
    return await _result(driver, driver.sessions(session))


async def replay(client: Client, at_s: Sequence[float], request: MakeRequest) -> LoadResult:
    """Send the i-th request `at_s[i]` seconds (ascending) after the start, however slowly the server answers.

    All are measured: there is neither warm-up nor filler.
    """
    load = Load(measured=len(at_s), warmup=0, rate=len(at_s) / max(at_s[-1], 1e-9))
    driver = _Driver(client, load)
    gaps = [later - earlier for earlier, later in itertools.pairwise([0.0, *at_s])]
    return await _result(driver, driver.open(request, gaps))


async def _result(driver: _Driver, sending: Coroutine[None, None, None]) -> LoadResult:
    wall, cpu = time.perf_counter(), time.process_time()
    await sending
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    samples = sorted(driver.samples, key=lambda sample: sample.index)
    measured = [sample for sample in samples if sample.phase == "measured"]
    return LoadResult(
        samples=samples,
        window_start=measured[0].intended if measured else 0.0,
        window_end=max((sample.reply.ended for sample in measured), default=0.0),
        client_cpu_s=cpu,
        wall_s=wall,
        cut_off=driver.gone,
    )


class _Driver:
    def __init__(self, client: Client, load: Load) -> None:
        self.samples: list[Sample] = []
        self.gone = False
        self._client, self._load = client, load
        self._random = random.Random(load.seed)
        self._sent = 0
        self._sessions = itertools.count()
        self._warm_ended = 0
        self._measured_sent = 0
        self._measured_ended = 0
        self._failures_in_a_row = 0

    async def closed(self, request: MakeRequest) -> None:
        async def work(number: int) -> None:
            while not self._is_over():
                await self._start_request(request, time.perf_counter(), worker=number)

        await self._at_once(work)

    async def sessions(self, session: MakeSession) -> None:
        async def work(number: int) -> None:
            while not self._is_over():
                await self._hold(next(self._sessions), session, number)

        await self._at_once(work)

    async def _at_once(self, work: Callable[[int], Coroutine[None, None, None]]) -> None:
        async def begin(number: int, delay: float) -> None:
            await asyncio.sleep(delay)
            await work(number)

        async with asyncio.TaskGroup() as workers:
            for number in range(self._load.concurrency):
                workers.create_task(begin(number, self._random.uniform(0, self._load.spread_s)))

    async def _hold(self, session: int, make: MakeSession, worker: int) -> None:
        for turn, each in enumerate(make(session)):
            await asyncio.sleep(each.wait_s)
            if self._is_over():
                return
            sample = await self._start_request(_always(each.request), time.perf_counter(), worker, session, turn)
            if sample.reply.failure:
                return

    async def open(self, request: MakeRequest, gaps: Iterable[float]) -> None:
        when = time.perf_counter()
        async with asyncio.TaskGroup() as under_way:
            for gap in gaps:
                if self._is_over():
                    break
                when += gap
                await asyncio.sleep(max(0.0, when - time.perf_counter()))
                under_way.create_task(self._start_request(request, when))

    def _start_request(
        self,
        request: MakeRequest,
        intended: float,
        worker: int | None = None,
        session: int | None = None,
        turn: int | None = None,
    ) -> Coroutine[None, None, Sample]:
        """Number and count a request now; the coroutine that is returned sends it."""
        index, phase = self._sent, self._phase()
        self._sent += 1
        self._measured_sent += phase == "measured"

        async def send() -> Sample:
            reply = await self._client.send(request(index))
            sample = Sample(index, phase, intended, reply, worker, session, turn)
            self._take(sample)
            return sample

        return send()

    def _take(self, sample: Sample) -> None:
        phase, failure = sample.phase, sample.reply.failure
        self.samples.append(sample)
        self._measured_ended += phase == "measured"
        self._warm_ended += phase == "warm-up"
        self._failures_in_a_row = self._failures_in_a_row + 1 if failure not in ("", CANCELLED) else 0
        if self._failures_in_a_row >= max(MAX_FAILURES_IN_A_ROW, 2 * self._load.concurrency):
            self.gone = True

    def _phase(self) -> Phase:
        # An open load warms up by requests sent: a slow server must not make the warm-up endless.
        warmed_up = self._warm_ended if self._load.concurrency else self._sent
        if warmed_up < self._load.warmup:
            return "warm-up"
        return "measured" if self._measured_sent < self._load.measured else "filler"

    def _is_over(self) -> bool:
        return self.gone or self._measured_ended >= self._load.measured

    def poisson_gaps(self) -> Iterable[float]:
        """Seconds between sendings, without end; one round of measured requests lasts exactly as its rate says.

        Given how many of its events fall into a span, a Poisson process is one whatever its rate, so the scaling leaves
        it one. Repeated, any such number of requests in a row has the exact rate.
        """
        gaps = [self._random.expovariate(1) for _ in range(self._load.measured)]
        scale = self._load.measured / self._load.rate / sum(gaps)
        return itertools.cycle([gap * scale for gap in gaps])


def _always(request: Request) -> MakeRequest:
    return lambda _: request
