"""A look at the server while a load runs on it: the load ends with the server, and silence is said.

A server that shuts down takes no new connection, but may keep those that are open without a word: each request would
wait out its whole time-out. What the load is belongs to `generator`; what its failures mean, to those who started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine

from yarl import URL

from fc_assets.errors import FcAssetsError
from fc_assets.load_test.load.client import Client
from fc_assets.load_test.load.generator import LoadResult

LOOK_EVERY_S = 1.0
REFUSED_S = 3.0
"""A server that refuses connections for so long is gone; one that is being restarted is another server too."""
SILENT_S = 15.0
"""Without a byte for so long while requests are under way, it is said."""
_CONNECT_S = 2.0


class ServerGoneError(FcAssetsError):
    """The server ended while it was asked."""


async def while_it_serves(
    client: Client, loading: Coroutine[None, None, LoadResult], progress: Callable[[str], None]
) -> LoadResult:
    """The result of `loading`, which asks `client`'s server.

    Raises `ServerGoneError` within seconds of the server's end. `progress` is told when the server is silent.
    """
    load, watch = asyncio.create_task(loading), asyncio.create_task(_watch(client, progress))
    try:
        await asyncio.wait({load, watch}, return_when=asyncio.FIRST_COMPLETED)
        if watch.done():
            watch.result()  # it ends by an error alone
        return await load
    finally:
        load.cancel()
        watch.cancel()
        await asyncio.gather(load, watch, return_exceptions=True)


async def _watch(client: Client, progress: Callable[[str], None]) -> None:
    address = URL(client.endpoint.base_url)
    listened, said_at = time.perf_counter(), 0.0
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        if said := client.endpoint.ended():
            raise ServerGoneError(said)
        if await _refuses(address):
            if time.perf_counter() - listened > REFUSED_S:
                raise ServerGoneError(
                    f"{address} has refused every connection for {REFUSED_S:g} s: it is shutting down, or gone"
                )
        else:
            listened = time.perf_counter()
        now = time.perf_counter()
        if client.under_way and now - max(client.heard, said_at) > SILENT_S:
            said_at = now
            progress(
                f"the server has sent nothing for {now - client.heard:.0f} s, {client.under_way} requests are under "
                f"way; each is given up {client.timeout_s:g} s after it was sent"
            )


async def _refuses(address: URL) -> bool:
    """Whether nobody listens. A server that is only slow to accept does not refuse."""
    with contextlib.suppress(TimeoutError, OSError):
        try:
            async with asyncio.timeout(_CONNECT_S):
                _, writer = await asyncio.open_connection(address.host, address.port)
        except ConnectionRefusedError:
            return True
        writer.close()
    return False
