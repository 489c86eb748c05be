"""What the commands share that put a running server under load: finding it, and saying how far they are and how long
it still takes.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fc_assets.foundation.presentation.terminal import console
from fc_assets.load_test.load.client import Request
from fc_assets.load_test.load.generator import MakeRequest
from fc_assets.serving.endpoint import Endpoint
from fc_assets.serving.server import connect

FAILED_REQUESTS = 2
"""The exit status where a request failed."""


def progress_bar(unit: str) -> Progress:
    """A bar on standard error that counts `unit` and says how much time is left."""
    left = (TimeRemainingColumn(), TextColumn("left"))
    return Progress(BarColumn(), MofNCompleteColumn(), TextColumn(f"{unit},"), *left, console=console(stderr=True))


@contextlib.contextmanager
def counted(make: MakeRequest, total: int) -> Iterator[MakeRequest]:
    """`make`, while a bar shows how many of the `total` requests have been sent."""
    with progress_bar("requests sent") as bar:
        task = bar.add_task("requests", total=total)

        def counting(index: int) -> Request:
            bar.advance(task)
            return make(index)

        yield counting


def connect_to(options: argparse.Namespace) -> Endpoint:
    """The server of `--api-url`, and what it is said on standard error."""
    endpoint = connect(options.api_url, options.model)
    say(f"{endpoint.model} at {endpoint.base_url}, server version {endpoint.info.version}")
    return endpoint


def say(line: str) -> None:
    """One line of progress, on standard error: standard output is for results."""
    print(line, file=sys.stderr, flush=True)
