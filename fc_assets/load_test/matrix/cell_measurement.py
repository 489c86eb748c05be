"""One cell measured: the load, the server's gauges while it runs, and both sides reconciled.

Which cells there are is in `cells`, going through all of them in `matrix_measurement`.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import aiohttp

from fc_assets.errors import FcAssetsError
from fc_assets.load_test.load.client import CANCELLED, Client
from fc_assets.load_test.load.generator import LoadResult
from fc_assets.load_test.load.request_statistics import succeeded, summarise
from fc_assets.load_test.load.server_watch import ServerGoneError, while_it_serves
from fc_assets.load_test.load.steady_state import steady_figures
from fc_assets.load_test.load.workload import token_prompts
from fc_assets.load_test.matrix.cells import MatrixCell
from fc_assets.load_test.matrix.freed_slots import freed_slots
from fc_assets.load_test.matrix.idle_answers import idle_figures
from fc_assets.load_test.matrix.workloads import Workload
from fc_assets.load_test.server_side.machine import MachineMeter
from fc_assets.load_test.server_side.reconciliation import Reconciliation, reconcile, server_figures
from fc_assets.profiles import BenchmarkSettings
from fc_assets.serving.endpoint import Endpoint
from fc_assets.serving.vllm_metrics import ALL_OF_VLLM, GAUGES, parse_metrics

SAMPLE_SECONDS = 0.5
"""Between two looks at the server's gauges; a look costs vLLM some milliseconds, so more of them would disturb it."""


class CellFailedError(FcAssetsError):
    """The server did not survive a cell, or answered nothing but errors."""


@dataclass(frozen=True, slots=True)
class CellResult:
    """`figures` are flat columns, `requests` one row per request (the unmeasured ones too), `reconciliation` one row
    per quantity that client and server both counted.
    """

    cell: MatrixCell
    figures: Mapping[str, Any]
    requests: Sequence[Mapping[str, Any]]
    reconciliation: Sequence[Mapping[str, Any]]


async def measure_cell(
    client: Client,
    endpoint: Endpoint,
    cell: MatrixCell,
    load: Workload,
    settings: BenchmarkSettings,
    progress: Callable[[str], None],
) -> CellResult:
    """Run the cell's load and return its figures. Raises `CellFailedError` naming the cell when the server is gone."""
    meter = MachineMeter(endpoint.info.pid)
    before = await server_metrics(client)
    gauges: list[Mapping[str, float]] = []
    watching = asyncio.create_task(_watch(client, meter, gauges))
    try:
        driven = load.drive(client, cell.load(settings, settings.seed))
        result = await while_it_serves(client, driven, lambda said: progress(f"{cell.name}: {said}"))
    except ServerGoneError as error:
        raise CellFailedError(f"The server was gone in cell {cell.name} ({error})") from error
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    meter.sample(time.perf_counter())
    _require_server(endpoint, cell, result)
    after = await server_metrics(client)
    if _counted_anew(before, after):
        raise CellFailedError(f"The server was restarted in cell {cell.name}: its counters began anew")
    compared = _reconciled(cell, result, before, after)
    requests = _request_rows(cell, result)
    figures = {
        **_describe(cell),
        **summarise(result, settings.slo, settings.seed, load.is_valid_call),
        **server_figures(gauges, before, after),
        **meter.figures(sum(sample.reply.output_tokens for sample in result.samples)),
        **steady_figures(requests),
        **await _afterwards(client, endpoint, cell, load, settings, result),
        "reconciled": all(each.agrees for each in compared) if compared else None,
    }
    rows = [{**asdict(each), "agrees": each.agrees} for each in compared]
    return CellResult(cell, figures, requests, rows)


def _reconciled(
    cell: MatrixCell, result: LoadResult, before: Mapping[str, float], after: Mapping[str, float]
) -> list[Reconciliation]:
    if cell.kind == "cancelled":
        return []  # the client does not know how much of a cancelled answer the server has made
    return reconcile(result.samples, before, after, held_back=not cell.context_length)


async def _afterwards(
    client: Client,
    endpoint: Endpoint,
    cell: MatrixCell,
    load: Workload,
    settings: BenchmarkSettings,
    result: LoadResult,
) -> dict[str, float | None]:
    """What is asked of the server when the load is over."""
    if cell.kind == "cancelled":
        one = token_prompts(endpoint.model, cell.context_length, (1,), secrets.randbits(32))(0)
        return await freed_slots(client, lambda: server_metrics(client, GAUGES), one)
    if load.again and load.is_valid_call and settings.idle_answers:
        return await idle_figures(client, result.samples, load.again, load.is_valid_call, settings.idle_answers)
    return {}


async def server_metrics(client: Client, beginnings: tuple[str, ...] = ALL_OF_VLLM) -> dict[str, float]:
    """The server's metrics whose names begin so; none when it has no /metrics (it need not be vLLM)."""
    try:
        return parse_metrics(await client.get("/metrics"), beginnings)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return {}


async def _watch(client: Client, meter: MachineMeter, gauges: list[Mapping[str, float]]) -> None:
    while True:
        meter.sample(time.perf_counter())
        if found := await server_metrics(client, GAUGES):
            gauges.append(found)
        await asyncio.sleep(SAMPLE_SECONDS)


def _require_server(endpoint: Endpoint, cell: MatrixCell, result: LoadResult) -> None:
    failures = Counter(each.reply.failure for each in result.samples if each.reply.failure not in ("", CANCELLED))
    if not failures:
        return
    kinds = ", ".join(f"{count} x {kind}" for kind, count in failures.most_common())
    if problem := _why_gone(endpoint):
        raise CellFailedError(f"The server was gone in cell {cell.name} ({kinds}; {problem})")
    if result.cut_off or not succeeded(result.samples):
        raise CellFailedError(f"The server answers, but only with errors in cell {cell.name} ({kinds})")


def _why_gone(endpoint: Endpoint) -> str:
    """Why the server cannot go on, or nothing: vLLM's front end lists its models for a while after its engine died.

    A server without `/health` is asked for its models.
    """
    try:
        endpoint.get("/health", timeout_s=10)
    except urllib.error.HTTPError as error:
        return _why_without_models(endpoint) if error.code == 404 else f"/health answers {error.code}"
    except OSError as error:
        return str(error)
    return endpoint.ended()


def _why_without_models(endpoint: Endpoint) -> str:
    try:
        endpoint.models()
    except (OSError, ValueError) as error:
        return str(error)
    return endpoint.ended()


def _counted_anew(before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    return any(name.endswith("_total") and after.get(name, count) < count for name, count in before.items())


def _describe(cell: MatrixCell) -> dict[str, object]:
    return {
        "cell": cell.name,
        "kind": cell.kind,
        "context_length": cell.context_length or None,
        "concurrency": cell.concurrency or None,
        "rate": cell.rate or None,
        "reuse": cell.reuse if cell.kind == "sessions" else None,
    }


def _request_rows(cell: MatrixCell, result: LoadResult) -> list[dict[str, object]]:
    """Times relative to the start of the measuring window, seconds."""
    zero = result.window_start
    return [
        {
            "cell": cell.name,
            "request": sample.index,
            "phase": sample.phase,
            "worker": sample.worker,
            "session": sample.session,
            "turn": sample.turn,
            "intended_s": sample.intended - zero,
            "sent_s": sample.reply.sent - zero,
            "arrivals_s": [when - zero for when in sample.reply.arrivals],
            "ended_s": sample.reply.ended - zero,
            "prompt_tokens": sample.reply.prompt_tokens,
            "output_tokens": sample.reply.output_tokens,
            "failure": sample.reply.failure,
        }
        for sample in result.samples
    ]
