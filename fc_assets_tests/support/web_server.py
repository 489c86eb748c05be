"""An aiohttp server on a thread of its own, for tests that need handlers of theirs behind a real socket."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

from aiohttp import web

Handlers = Mapping[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]
"""Handlers by path."""


@contextmanager
def serving(**methods: Handlers) -> Iterator[str]:
    """Serve the handlers, `POST={path: handler}`, until the block is left; yields the server's address."""
    loop = asyncio.new_event_loop()
    started, end = threading.Event(), asyncio.Event()
    address: list[str] = []

    async def run() -> None:
        app = web.Application()
        for method, handlers in methods.items():
            for path, handler in handlers.items():
                app.router.add_route(method, path, handler)
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
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(10)
        loop.close()
