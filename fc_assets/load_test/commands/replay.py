"""`fc-assets replay`: a recorded trace put on a running server, and how it fared.

The command line is parsed in `cli`; the trace's form is in `load.recorded_trace`.
"""

from __future__ import annotations

import argparse
import secrets

import uvloop

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import finite, write_json
from fc_assets.foundation.presentation.terminal import console, text_table
from fc_assets.load_test.commands.server import FAILED_REQUESTS, connect_to, counted, say
from fc_assets.load_test.load.client import Client
from fc_assets.load_test.load.generator import replay as send_at
from fc_assets.load_test.load.recorded_trace import Trace, read_trace, traced_prompts
from fc_assets.load_test.load.request_statistics import summarise
from fc_assets.load_test.load.server_watch import while_it_serves
from fc_assets.load_test.matrix.cell_measurement import server_metrics
from fc_assets.load_test.server_side.reconciliation import server_figures
from fc_assets.names import REPLAY
from fc_assets.profiles import BenchmarkSettings, ServiceLevel
from fc_assets.serving.endpoint import Endpoint

_SHOWN = (
    "requests", "requests_per_s", "output_tokens_per_s", "ttft_p50_s", "ttft_p95_s", "tpot_p95_s", "e2e_p95_s",
    "slo_share", "send_gap_cv", "prefix_cache_hit_rate", "error_rate",
)  # fmt: skip


def replay(options: argparse.Namespace) -> int:
    """Replay and print the figures; the exit status."""
    endpoint = connect_to(options)
    trace = read_trace(options.trace, endpoint.info.max_model_len)
    if trace.left_out:
        say(f"{trace.left_out} requests are left out: they need more than {endpoint.info.max_model_len} tokens")
    settings = BenchmarkSettings(slo=ServiceLevel(ttft_p95_s=options.ttft, tpot_p95_s=options.tpot))
    figures = uvloop.run(_replay(endpoint, trace, settings, options.speed))
    console().print(text_table([{"figure": name, "value": figures[name]} for name in _SHOWN], ["figure", "value"]))
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        write_json(options.out / REPLAY, finite(figures))
    return FAILED_REQUESTS if figures["error_rate"] else 0


async def _replay(endpoint: Endpoint, trace: Trace, settings: BenchmarkSettings, speed: float) -> dict[str, object]:
    # Other tokens in each replay: what an earlier one left in the prefix cache is not this one's.
    make = traced_prompts(endpoint.model, trace, secrets.randbits(32))
    async with Client(endpoint, timeout_s=settings.request_timeout_s) as client:
        before = await server_metrics(client)
        with counted(make, len(trace.requests)) as counting:
            result = await while_it_serves(client, send_at(client, trace.seconds(speed), counting), say)
        after = await server_metrics(client)
    if result.cut_off:
        raise FcAssetsError("The server answered with nothing but errors, so the replay was stopped")
    told = {"speed": speed, "left_out": trace.left_out}
    return {**told, **summarise(result, settings.slo, settings.seed), **server_figures([], before, after)}
