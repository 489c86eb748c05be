"""How messages pass to and from an MCP server: over its process's pipes, or over HTTP. The SDK's own, but bounded.

The SDK's transport to a process holds a line of any length, and starts the process without a supervisor: this one does
neither. Over HTTP the SDK bounds events; answers are bounded here. What is said in messages is the SDK's business.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import mcp_types
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage

from fc_assets.foundation.child_processes.processes import GRACE_SECONDS, supervised
from fc_assets.tool_servers.addresses import ToolServer

_ENDS_BY_ITSELF_SECONDS = 1.0
"""After its input is closed, as MCP has it; then it is ended."""
_MOST_NOISE = 100
"""Lines that are no messages: many servers print a banner, and a broken one prints for ever."""
Streams = tuple[Any, Any]


class TooLargeError(Exception):
    """A message is larger than allowed."""


@contextlib.asynccontextmanager
async def process_streams(server: ToolServer, log: Path, max_bytes: int) -> AsyncIterator[Streams]:
    """Start the server's command, its standard error going to `log`; it and its descendants end with the block."""
    watched, lifeline = os.pipe()
    try:
        with log.open("ab") as errors:
            process = await anyio.open_process(
                supervised(watched, server.argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=server.environment,
                pass_fds=(watched,),
                start_new_session=True,
            )
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(watched)
    into_session, read_stream = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write_stream, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_read, process, into_session, max_bytes)
            tasks.start_soon(_write, process, from_session)
            try:
                yield read_stream, write_stream
            finally:
                tasks.cancel_scope.cancel()
    finally:
        for stream in (into_session, read_stream, write_stream, from_session):
            stream.close()
        with anyio.CancelScope(shield=True):
            await _end(process, lifeline)


async def _read(process: Any, into_session: Any, max_bytes: int) -> None:
    lines, noise = BufferedByteReceiveStream(process.stdout), 0
    async with into_session:
        while noise < _MOST_NOISE:
            try:
                line = await lines.receive_until(b"\n", max_bytes)
            except (anyio.IncompleteRead, anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
                return
            except anyio.DelimiterNotFound:
                return  # a message that is too large: the session sees the connection end
            try:
                message = mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                noise += 1
                continue
            try:
                await into_session.send(SessionMessage(message))
            except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                return


async def _write(process: Any, from_session: Any) -> None:
    with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
        async for message in from_session:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            await process.stdin.send(text.encode() + b"\n")


async def _end(process: Any, lifeline: int) -> None:
    """Close the server's input, then the supervisor's lifeline; return when no process of the family is left."""
    with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
        await process.stdin.aclose()
    with anyio.move_on_after(_ENDS_BY_ITSELF_SECONDS):
        await _ended(process)
    os.close(lifeline)
    with anyio.move_on_after(sum(GRACE_SECONDS) + 5):
        await _ended(process)
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
        await process.aclose()


async def _ended(process: Any) -> None:
    # Not process.wait(): it also waits until every pipe is closed, and one may be full.
    while process.returncode is None:
        await anyio.sleep(0.02)


@contextlib.asynccontextmanager
async def http_streams(server: ToolServer, timeout_s: float, max_bytes: int) -> AsyncIterator[Streams]:
    """Connect over streamable HTTP. An answer of more than `max_bytes`, or a compressed one, is an error."""
    transport = _BoundedTransport(max_bytes)
    headers = {"Accept-Encoding": "identity"}
    async with (
        # No proxy: an address was given on purpose.
        httpx2.AsyncClient(transport=transport, headers=headers, timeout=timeout_s, trust_env=False) as client,
        streamable_http_client(server.url, http_client=client, max_sse_event_size=max_bytes) as streams,
    ):
        yield streams


class _BoundedTransport(httpx2.AsyncBaseTransport):
    """httpx's transport, whose answers may not be larger than a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._inner, self._max_bytes = httpx2.AsyncHTTPTransport(), max_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.DecodingError("the answer is compressed, which was not asked for", request=request)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_BoundedStream(response, self._max_bytes),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedStream(httpx2.AsyncByteStream):
    def __init__(self, response: httpx2.Response, max_bytes: int) -> None:
        self._response, self._max_bytes = response, max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._max_bytes
        async for part in self._response.aiter_raw():
            left -= len(part)
            if left < 0:
                raise httpx2.ReadError(f"the answer has more than {self._max_bytes} bytes")
            yield part

    async def aclose(self) -> None:
        await self._response.aclose()
