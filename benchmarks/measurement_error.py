"""How far measured TTFT and TPOT are from the truth: `python -m benchmarks.measurement_error`.

A scripted server with fixed delays records when it really sent each event; the load generator measures the same
requests. Reported are the relative errors of the means, for one request at a time and for eight.
"""

from __future__ import annotations

import asyncio

import numpy as np

from benchmarks._results import write_result
from fc_assets.load_test.load.client import Client
from fc_assets.load_test.load.generator import Load, LoadResult, drive
from fc_assets.load_test.load.request_statistics import latencies, succeeded
from fc_assets.load_test.load.workload import token_prompts
from fc_assets.serving.endpoint import Endpoint
from fc_assets_tests.support.scripted_server import ScriptedServer, answer

FIRST_S = 0.050
GAP_S = 0.010
TOKENS = 32
REQUESTS = 40


def measure(concurrency: int) -> tuple[float, float]:
    """Relative error of mean TTFT and of mean TPOT: measured by the client over what the server really did, minus 1."""
    with ScriptedServer(lambda body: answer(body, first_s=FIRST_S, gap_s=GAP_S)) as server:
        result = asyncio.run(_drive(server.url, concurrency))
        exchanges = list(server.exchanges)
    good = succeeded(result.samples)
    if len(good) != len(exchanges):
        raise SystemExit(f"error: {len(exchanges) - len(good)} of {len(exchanges)} requests failed")
    found = latencies(good)
    first = np.mean([exchange.outputs[0] - exchange.received for exchange in exchanges])
    pace = np.mean([(exchange.outputs[-1] - exchange.outputs[0]) / (TOKENS - 1) for exchange in exchanges])
    return float(found.ttft.mean() / first - 1), float(found.tpot.mean() / pace - 1)


async def _drive(url: str, concurrency: int) -> LoadResult:
    async with Client(Endpoint(url, "m", ""), timeout_s=30) as client:
        load = Load(measured=REQUESTS, warmup=concurrency, concurrency=concurrency, spread_s=0.05)
        return await drive(client, load, token_prompts("m", 256, (TOKENS,), seed=1))


def main() -> None:
    """Measure and write `results/measurement_error.json`; errors in per cent."""
    figures = {}
    for concurrency in (1, 8):
        ttft, tpot = measure(concurrency)
        figures |= {f"ttft_error_pct_c{concurrency}": ttft * 100, f"tpot_error_pct_c{concurrency}": tpot * 100}
    write_result("measurement_error", figures, ["aiohttp"])


if __name__ == "__main__":
    main()
