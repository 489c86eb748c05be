"""What a server does once clients have gone away: whether it stops their requests and answers the next one.

How requests are cancelled is in `load.workload`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from fc_assets.load_test.load.client import Client, Request
from fc_assets.serving.vllm_metrics import RUNNING, WAITING

FREE_WITHIN_S = 5.0
"""A server that still holds a request so long after the last client has gone keeps its slot."""

_LOOK_S = 0.05


async def freed_slots(
    client: Client, gauges: Callable[[], Awaitable[Mapping[str, float]]], request: Request
) -> dict[str, float | None]:
    """Look at an otherwise idle server after a load whose client has cancelled requests, then send one more.

    `slots_kept`: requests that it still holds after `FREE_WITHIN_S`, and `slots_freed_s`: the seconds until it held
    none; both None where it publishes no such gauge, the latter also where it kept some. `ttft_after_s`: the time to
    first token of the one request, None where it got no whole answer.
    """
    began, kept = time.perf_counter(), await _held(gauges)
    while kept and time.perf_counter() - began < FREE_WITHIN_S:
        await asyncio.sleep(_LOOK_S)
        kept = await _held(gauges)
    freed = time.perf_counter() - began if kept == 0 else None
    after = await client.send(request)
    whole = not after.failure and bool(after.arrivals)
    return {
        "slots_kept": kept,
        "slots_freed_s": freed,
        "ttft_after_s": after.arrivals[0] - after.sent if whole else None,
    }


async def _held(gauges: Callable[[], Awaitable[Mapping[str, float]]]) -> float | None:
    found = await gauges()
    return found.get(RUNNING, 0.0) + found.get(WAITING, 0.0) if RUNNING in found or WAITING in found else None
