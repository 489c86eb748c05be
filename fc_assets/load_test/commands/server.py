"""What the commands share that put a running server under load: finding it, and saying how far they are."""

from __future__ import annotations

import argparse
import sys

from fc_assets.serving.endpoint import Endpoint
from fc_assets.serving.server import connect


def connect_to(options: argparse.Namespace) -> Endpoint:
    """The server of `--api-url`, and what it is said on standard error."""
    endpoint = connect(options.api_url, options.model)
    say(f"{endpoint.model} at {endpoint.base_url}, server version {endpoint.info.version}")
    return endpoint


def say(line: str) -> None:
    """One line of progress, on standard error: standard output is for results."""
    print(line, file=sys.stderr, flush=True)
