"""`fc-assets ramp`: an open load whose rate rises evenly, and how the requests of each slice of it fared.

The command line is parsed in `cli`; the arithmetic is in `load.ramp`.
"""

from __future__ import annotations

import argparse
import secrets

import uvloop

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import write_json
from fc_assets.foundation.presentation.terminal import console, text_table
from fc_assets.load_test.capacity.search import ATTAINMENT
from fc_assets.load_test.commands.server import FAILED_REQUESTS, connect_to, counted
from fc_assets.load_test.load.client import Client
from fc_assets.load_test.load.generator import LoadResult, replay
from fc_assets.load_test.load.ramp import ramp_slices, ramp_times
from fc_assets.load_test.load.workload import answer_lengths, token_prompts
from fc_assets.load_test.matrix.cells import MatrixCell, check_fit
from fc_assets.names import RAMP
from fc_assets.profiles import BenchmarkSettings, ServiceLevel
from fc_assets.serving.endpoint import Endpoint


def ramp(options: argparse.Namespace) -> int:
    """Raise the rate, print a row for each slice and where the SLO broke first; the exit status."""
    endpoint = connect_to(options)
    settings = BenchmarkSettings(
        output_tokens=options.output_tokens,
        output_spread=options.output_spread,
        slo=ServiceLevel(ttft_p95_s=options.ttft, tpot_p95_s=options.tpot),
    )
    check_fit([MatrixCell("closed", options.context_length, 1)], settings, endpoint.info.max_model_len)
    times = ramp_times(options.first, options.last, options.seconds, settings.seed)
    result = uvloop.run(_send(endpoint, times, settings, options.context_length))
    rates = (options.first, options.last, options.seconds)
    rows = ramp_slices(result, *rates, settings.slo)
    console().print(text_table(rows, list(rows[0])))
    broken = next((row["rate"] for row in rows if row["slo_share"] < ATTAINMENT), None)
    print("no slice broke the SLO" if broken is None else f"the SLO broke first at about {broken:.3g} requests/s")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        told = dict(zip(("from_per_s", "to_per_s", "seconds"), rates, strict=True))
        write_json(options.out / RAMP, {**told, "slo": settings.slo.model_dump(), "slices": rows})
    return FAILED_REQUESTS if any(row["failed"] for row in rows) else 0


async def _send(endpoint: Endpoint, times: list[float], settings: BenchmarkSettings, context: int) -> LoadResult:
    lengths = answer_lengths(settings.output_tokens, settings.output_spread, len(times), settings.seed)
    make = token_prompts(endpoint.model, context, lengths, secrets.randbits(32))
    async with Client(endpoint, timeout_s=settings.request_timeout_s) as client:
        with counted(make, len(times)) as counting:
            result = await replay(client, times, counting)
    if result.cut_off:
        raise FcAssetsError("The server answered with nothing but errors, so the ramp was stopped")
    return result
