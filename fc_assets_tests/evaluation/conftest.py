"""Fixtures of this folder: the external chat server, and the BFCL checker where it is installed."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from aiohttp import web

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.bfcl.scores import find_python
from fc_assets.profiles import BfclSettings
from fc_assets_tests.evaluation.test_assets import KnowingServer


@pytest.fixture
def server() -> Iterator[tuple[KnowingServer, str]]:
    known = KnowingServer()
    loop = asyncio.new_event_loop()
    address: list[str] = []
    started, end = threading.Event(), asyncio.Event()

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", known.chat)
        app.router.add_get("/v1/models", known.models)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
        started.set()
        await end.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert started.wait(10)
    yield known, address[0]
    loop.call_soon_threadsafe(end.set)
    thread.join(10)
    loop.close()


@pytest.fixture
def checker() -> None:
    try:
        find_python(BfclSettings())
    except FcAssetsError as error:
        pytest.skip(str(error))
