"""What the load generator itself costs, measured against a server that costs nothing.

Stated beside every matrix: below the floor no latency can be seen, near the ceiling the client measures itself.
"""

from __future__ import annotations

import dataclasses
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes import processes
from fc_assets.load_test.load.client import Client, Request
from fc_assets.load_test.load.generator import Load, MakeRequest, drive
from fc_assets.load_test.load.request_statistics import latencies, succeeded
from fc_assets.serving.endpoint import Endpoint

CLIENT_LIMIT = 0.5
"""A cell that gets more than this share of the ceiling's events, or keeps the client's core busy for longer than this
share of the time, is marked: queueing in the client is then no longer small beside the server's own times."""

_FLOOR_REQUESTS = 100
_CEILING_REQUESTS = 600
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """The client alone: least time to first token and end to end (P50 of one request at a time, seconds), most requests
    and events a second at the matrix's highest concurrency, and CPU per request in milliseconds.
    """

    floor_ttft_s: float
    floor_e2e_s: float
    ceiling_requests_per_s: float
    ceiling_events_per_s: float
    cpu_ms_per_request: float
    concurrency: int

    def limits(self, events_per_s: float, client_cpu_share: float) -> bool:
        """Whether a cell with these figures measured the client rather than the server."""
        return events_per_s > CLIENT_LIMIT * self.ceiling_events_per_s or client_cpu_share > CLIENT_LIMIT


async def calibrate(make: MakeRequest, *, chunks: int, concurrency: int, log: Path) -> Calibration:
    """Drive a null server, a process of its own, with the requests of `make`; takes about two seconds."""

    def unchecked(index: int) -> Request:
        return dataclasses.replace(make(index), prompt_tokens=0, output_tokens=0)

    argv = [sys.executable, "-m", "fc_assets.load_test.load.null_server", "--chunks", str(chunks)]
    log.unlink(missing_ok=True)
    with processes.running("null server", argv, log=log) as child:
        endpoint = Endpoint(f"http://127.0.0.1:{_port(child)}", "null", "")
        async with Client(endpoint, timeout_s=_START_SECONDS) as client:
            alone = await drive(client, Load(_FLOOR_REQUESTS, warmup=10, concurrency=1), unchecked)
            crowd = await drive(
                client, Load(max(_CEILING_REQUESTS, 4 * concurrency), concurrency, concurrency=concurrency), unchecked
            )
    floor = latencies(succeeded([sample for sample in alone.samples if sample.phase == "measured"]))
    ended = succeeded(crowd.samples)
    if not len(floor.ttft) or len(ended) < len(crowd.samples):
        raise FcAssetsError(f"The load generator failed against its own null server; the log is {log}")
    return Calibration(
        floor_ttft_s=statistics.median(floor.ttft.tolist()),
        floor_e2e_s=statistics.median(floor.e2e.tolist()),
        ceiling_requests_per_s=len(ended) / crowd.wall_s,
        ceiling_events_per_s=len(ended) * chunks / crowd.wall_s,
        cpu_ms_per_request=crowd.client_cpu_s / len(ended) * 1e3,
        concurrency=concurrency,
    )


def _port(child: processes.Child) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and child.returncode is None:
        if (line := child.log_tail(1)).isdigit():
            return int(line)
        time.sleep(0.02)
    raise FcAssetsError(f"The null server for calibration did not start; its log {child.log} ends:\n{child.log_tail()}")
