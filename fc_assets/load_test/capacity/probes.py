"""Loads tried on a server for the search: what one has, how long it lasts, and how many of its requests kept the SLO.

Which loads are tried is decided in `search`.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import read_json
from fc_assets.load_test.capacity.search import LoadKind, OutOfTimeError, SloCapacity, TriedLoad, find_capacity
from fc_assets.load_test.load.client import Client
from fc_assets.load_test.load.generator import Load, LoadResult, drive
from fc_assets.load_test.load.request_statistics import Floats, latencies, meets, succeeded
from fc_assets.load_test.load.server_watch import while_it_serves
from fc_assets.load_test.load.workload import answer_lengths, token_prompts
from fc_assets.load_test.matrix.cells import MatrixCell, check_fit
from fc_assets.names import CAPACITY
from fc_assets.profiles import BenchmarkSettings, ServiceLevel
from fc_assets.serving.endpoint import Endpoint

HIGHEST_CONCURRENCY = 4096
HIGHEST_RATE = 10_000.0
SLOS_LONG = 10
"""An open load lasts at least this many times the promised TTFT: a server that is a tenth too slow for it then has a
queue as long as the promise."""

_PERCENTILE = 95


class Capacities(BaseModel):
    """What was found for each way of sending, with prompts of `context_length` tokens; None where none was sought."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    context_length: int
    slo: ServiceLevel
    closed: SloCapacity | None = None
    open: SloCapacity | None = None


async def measure_capacities(
    endpoint: Endpoint,
    settings: BenchmarkSettings,
    *,
    context_length: int,
    kinds: tuple[LoadKind, ...],
    progress: Callable[[str], None],
) -> Capacities:
    """Search the closed capacity and then, from its throughput, the open one; each for `capacity_seconds` at most."""
    check_fit([MatrixCell("closed", context_length, 1)], settings, endpoint.info.max_model_len)
    async with Client(endpoint, timeout_s=settings.request_timeout_s) as client:
        trial = Trial(client, endpoint.model, settings, context_length, progress)
        closed = await trial.search("closed", float(settings.slo.at_concurrency), HIGHEST_CONCURRENCY)
        progress(f"capacity: {closed.describe()}")
        opened = None
        if "open" in kinds:
            most = max((probe.requests_per_s for probe in closed.probes), default=0.0)
            if not most:
                raise FcAssetsError("No request succeeded in the closed loads, so there is no rate to begin with")
            opened = await trial.search("open", most / 2, HIGHEST_RATE)
            progress(f"capacity: {opened.describe()}")
    return Capacities(context_length=context_length, slo=settings.slo, closed=closed, open=opened)


class Trial:
    """Tries loads on one server. A load is tried only where it will probably end in time."""

    def __init__(
        self,
        client: Client,
        model: str,
        settings: BenchmarkSettings,
        context_length: int,
        progress: Callable[[str], None],
    ) -> None:
        self._client, self._model, self._settings, self._context = client, model, settings, context_length
        self._progress = progress

    async def search(self, kind: LoadKind, start: float, highest: float) -> SloCapacity:
        """The capacity for that way of sending."""
        began, last = time.perf_counter(), (0.0, 0.0)

        async def attempt(level: float) -> TriedLoad:
            nonlocal last
            now, (last_level, last_s) = time.perf_counter(), last
            expected = last_s * max(1.0, level / last_level) if last_level else 0.0
            if kind == "open":
                expected = self._load(kind, level).measured / level
            if now - began + expected > self._settings.capacity_seconds:
                raise OutOfTimeError
            probe = await self.once(kind, level)
            last = (level, time.perf_counter() - now)
            left = max(self._settings.capacity_seconds - (time.perf_counter() - began), 0)
            self._progress(
                f"{kind} {level:g}: {probe.kept} of {probe.requests} kept the SLO; at most {left:.0f} s left"
            )
            return probe

        return await find_capacity(kind, attempt, start=start, highest=highest)

    async def once(self, kind: LoadKind, level: float) -> TriedLoad:
        """One load of that level, with prompts that the server has not seen."""
        settings, load = self._settings, self._load(kind, level)
        lengths = answer_lengths(settings.output_tokens, settings.output_spread, load.measured, settings.seed)
        make = token_prompts(self._model, self._context, lengths, secrets.randbits(32))
        result = await while_it_serves(self._client, drive(self._client, load, make), self._progress)
        return _judge(level, result, settings.slo)

    def _load(self, kind: LoadKind, level: float) -> Load:
        settings = self._settings
        if kind == "closed":
            return MatrixCell(kind, self._context, concurrency=int(level)).load(settings, settings.seed)
        load = MatrixCell(kind, self._context, rate=level).load(settings, settings.seed)
        shortest = math.ceil(level * SLOS_LONG * settings.slo.ttft_p95_s)
        return replace(load, measured=max(load.measured, shortest))


def _judge(level: float, result: LoadResult, slo: ServiceLevel) -> TriedLoad:
    measured = [sample for sample in result.samples if sample.phase == "measured"]
    good = succeeded(measured)
    found = latencies(good)
    seconds = result.window_end - result.window_start
    return TriedLoad(
        level=level,
        requests=max(len(measured), 1),
        kept=int(meets(slo, found).sum()),
        requests_per_s=len(good) / seconds if seconds > 0 else 0.0,
        ttft_p95_s=_p95(found.ttft),
        tpot_p95_s=_p95(found.tpot),
    )


def _p95(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    found = float(np.percentile(known, _PERCENTILE)) if len(known) else math.nan
    return None if math.isnan(found) else found


def read_capacities(folder: Path) -> Capacities | None:
    """What was written beside a matrix; None where the search was left out."""
    return Capacities.model_validate(read_json(folder / CAPACITY)) if (folder / CAPACITY).is_file() else None
