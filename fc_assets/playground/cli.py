"""`fc-assets play`: the page in the browser, and engines for the models that the home holds, until it is ended.

INT (Ctrl-C), TERM and HUP (a closed terminal) end it in order. However else it ends, its servers end with it: each runs
under a supervisor that learns from a closed pipe that this process is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import ArtifactStore, default_home
from fc_assets.names import EVAL_REPORT, REPORT_HTML
from fc_assets.playground.engines import Lineup, lineup
from fc_assets.playground.examples import examples
from fc_assets.playground.page import HOST, build_app
from fc_assets.profiles import load_profile

_PORT = 7860
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until a signal ends it, and return 0. Raises `FcAssetsError` where there is no model to ask."""
    parser = argparse.ArgumentParser(prog="fc-assets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    play = commands.add_parser("play", help="ask base, SFT, policy and GGUF side by side, in the browser")
    play.add_argument(
        "--port", type=int, default=_PORT, help="port on 127.0.0.1 (default: %(default)s; 0: any free one)"
    )
    play.add_argument("--profile", help="profile or path of a YAML file (default: $FC_PROFILE, else demo)")
    options = parser.parse_args(arguments)
    profile = load_profile(options.profile)
    store = ArtifactStore(default_home(profile.name))
    found = lineup(store, profile)
    app = build_app(found, examples(store), _report(store))
    for player in found.players:
        if player.state == "missing":
            print(player.said, file=sys.stderr)
    asyncio.run(_serve(app, found, options.port))
    return 0


def _report(store: ArtifactStore) -> Path | None:
    """The page of the newest evaluation: that of its latest run, which has date and machine, else the artefact's."""
    compared = store.newest(EVAL_REPORT)
    if compared is None:
        return None
    of_runs = store.record_folder(EVAL_REPORT, compared.digest, "").glob(f"*/{REPORT_HTML}")
    return max(of_runs, key=lambda page: page.stat().st_mtime, default=compared.path / REPORT_HTML)


async def _serve(app: web.Application, found: Lineup, port: int) -> None:
    ended = asyncio.Event()
    for number in _ENDING:
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
    except OSError as error:
        raise FcAssetsError(
            f"port {port} of this machine cannot be used ({error.strerror}); name another one: --port {port + 1}"
        ) from error
    print(f"http://{HOST}:{runner.addresses[0][1]} is open; Ctrl-C ends it and its servers.", flush=True)
    found.start()
    try:
        await ended.wait()
        with contextlib.suppress(OSError):  # the terminal may be gone
            print("Ending the servers.", flush=True)
    finally:
        # First, so that a question that is being answered ends as well.
        await asyncio.to_thread(found.stop)
        await runner.cleanup()
