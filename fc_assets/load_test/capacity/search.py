"""The highest load that keeps the SLO, found by doubling, bisecting and confirming.

Pure: it is given a function that tries one load, and knows neither clients nor servers. Trying one is in `probes`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict

ATTAINMENT = 0.95
"""A load keeps the SLO when so many of its requests do: the SLO is one of P95s."""

RESOLUTION = 0.05
"""The search ends when kept and broken are within this share of each other, or one request under way apart."""

REPEATS = 3
"""Both ends of the interval are tried so often, and judged by all their requests together."""

LoadKind = Literal["closed", "open"]


class TriedLoad(BaseModel):
    """One load tried once. `level` is its concurrency, or its rate in requests a second; `kept` of its `requests`
    measured requests kept the SLO; a failed one broke it. P95s in seconds, None where nothing succeeded.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    level: float
    requests: int
    kept: int
    requests_per_s: float
    ttft_p95_s: float | None
    tpot_p95_s: float | None


class SloCapacity(BaseModel):
    """`level` is the highest load that kept the SLO, 0 if none did; the truth lies from it to `broken_at`, the lowest
    load that broke it, None if none did. `confirmed` says that both ends were repeated; else the time was over before.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    kind: LoadKind
    level: float
    broken_at: float | None
    confirmed: bool
    probes: list[TriedLoad]

    def by_level(self) -> list[tuple[float, int, int]]:
        """The evidence as a curve: level, requests that kept the SLO, requests, of all tries of a level together."""
        levels = sorted({probe.level for probe in self.probes})
        tries = {level: [probe for probe in self.probes if probe.level == level] for level in levels}
        return [
            (level, sum(probe.kept for probe in tried), sum(probe.requests for probe in tried))
            for level, tried in tries.items()
        ]

    def describe(self) -> str:
        """The result as the end of a sentence: how much, and between what."""
        unit = "requests under way" if self.kind == "closed" else "requests/s"
        if not self.probes:
            return "no load was tried, as none would have ended in the time allowed"
        if self.broken_at is not None and not self.level:
            return f"no load met the SLO; the lowest tried was {self.broken_at:g} {unit}"
        limit = "no higher load broke it" if self.broken_at is None else f"{self.broken_at:g} broke it"
        unsure = "" if self.confirmed else ", not confirmed by repeats before the time was over"
        return f"{self.level:g} {unit} met the SLO, {limit}{unsure}"


TryLoad = Callable[[float], Awaitable[TriedLoad]]
"""Puts a load of that level on the server once."""


class OutOfTimeError(Exception):
    """Raised by a `TryLoad` that has no time left for one more load; the search ends with what it knows."""


@dataclass
class _Search:
    kind: LoadKind
    attempt: TryLoad
    highest: float
    good: float = 0.0
    bad: float | None = None
    probes: list[TriedLoad] = field(default_factory=list)

    async def keeps(self, level: float, repeats: int = 1) -> bool:
        """Whether the requests of all tries of `level` keep the SLO, after `repeats` of them at least."""
        while len(tried := [probe for probe in self.probes if probe.level == level]) < repeats:
            self.probes.append(await self.attempt(level))
        return sum(probe.kept for probe in tried) >= ATTAINMENT * sum(probe.requests for probe in tried)

    async def bracket(self, start: float) -> None:
        """Double while the SLO is kept; halve, if it was not kept to begin with."""
        level = start
        while self.bad is None and self.good < self.highest:
            if await self.keeps(level):
                self.good, level = level, min(2 * level, self.highest)
            else:
                self.bad = level
        while not self.good and (lower := self.lower(level / 2)) < level:
            level = lower
            if await self.keeps(level):
                self.good = level
            else:
                self.bad = level

    async def bisect(self) -> None:
        while self.good and self.bad is not None and (middle := self.between(self.good, self.bad)):
            if await self.keeps(middle):
                self.good = middle
            else:
                self.bad = middle

    async def confirm(self) -> None:
        """Move the ends, a step at a time, until the repeats agree that one keeps the SLO and the next does not."""
        while self.good and not await self.keeps(self.good, REPEATS):
            self.bad = self.good
            below = self.lower(self.good / (1 + RESOLUTION))
            self.good = below if below < self.good else 0.0
        while self.bad is not None and await self.keeps(self.bad, REPEATS):
            self.good = self.bad
            above = self.good + 1 if self.kind == "closed" else self.good * (1 + RESOLUTION)
            self.bad = above if above <= self.highest else None

    def between(self, good: float, bad: float) -> float | None:
        """A level to try next, None when the two are near enough."""
        if bad - good <= RESOLUTION * good:
            return None
        if self.kind == "open":
            return (good + bad) / 2
        return None if bad - good <= 1 else float((good + bad) // 2)

    def lower(self, level: float) -> float:
        """`level` as one that can be tried: at least one request under way, at least one in a minute."""
        return max(float(int(level)), 1.0) if self.kind == "closed" else max(level, 1 / 60)


async def find_capacity(kind: LoadKind, attempt: TryLoad, *, start: float, highest: float) -> SloCapacity:
    """The highest load from 1 (open: one in a minute) to `highest` that keeps the SLO, the search beginning at `start`.

    A search whose `attempt` raises `OutOfTimeError` ends there; the result says that it was not confirmed.
    """
    search, confirmed = _Search(kind, attempt, highest), False
    try:
        await search.bracket(min(start, highest))
        await search.bisect()
        await search.confirm()
        confirmed = True
    except OutOfTimeError:
        pass  # what is known until now is the result
    return SloCapacity(kind=kind, level=search.good, broken_at=search.bad, confirmed=confirmed, probes=search.probes)
