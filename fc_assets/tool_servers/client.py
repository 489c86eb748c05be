"""One MCP server, connected: its tools listed and called, through the official client and within bounds.

Whatever goes wrong becomes a `ToolServerError` of one sentence. Which tools may be called, and by whom, is decided by
the caller; how messages pass is `transports`.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.processes import temporary_folder
from fc_assets.foundation.json_files import json_text
from fc_assets.tool_servers.addresses import ToolServer

if TYPE_CHECKING:
    from mcp import Client

_SAID_CHARS = 300
NO_MCP = "MCP servers need the package `mcp`, which is not installed: pip install 'fc-assets[mcp]'"


class ToolServerError(FcAssetsError):
    """A server did not start, did not answer in time, or answered what it may not."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one server may take: seconds until it is connected and for each answer, bytes of a message, tools."""

    start_s: float = 30.0
    answer_s: float = 30.0
    message_bytes: int = 4 << 20
    tools: int = 256
    pages: int = 50


@dataclass(frozen=True, slots=True)
class ListedTool:
    """A tool as the server lists it: name, description, inputSchema. `destructive` unless it says that it is not.

    MCP's hints come from the server: they can make us more careful, never less.
    """

    definition: dict[str, Any]
    destructive: bool

    @property
    def name(self) -> str:
        """Its name on the server."""
        return str(self.definition["name"])


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What a call returned, as text, and whether the server says that it failed."""

    text: str
    failed: bool


class Connection:
    """A connected server; made by `connected`."""

    def __init__(self, server: ToolServer, client: Client, bounds: Bounds) -> None:
        self.server, self._client, self._bounds = server, client, bounds

    async def list_tools(self) -> list[ListedTool]:
        """All its tools. Raises `ToolServerError`, also for more than `Bounds.tools` of them or too many pages."""
        found: list[ListedTool] = []
        cursor: str | None = None
        for _ in range(self._bounds.pages):
            with _as_sentences(self.server, "did not list its tools"):
                page = await self._client.list_tools(cursor=cursor, cache_mode="bypass")
            found += map(_listed, page.tools)
            if len(found) > self._bounds.tools:
                raise ToolServerError(
                    f"The MCP server {self.server.name} lists more than {self._bounds.tools} tools; start it with fewer"
                )
            cursor = page.next_cursor
            if cursor is None:
                return found
        raise ToolServerError(f"The MCP server {self.server.name} lists its tools on endless pages; mend it")

    async def call(self, name: str, arguments: dict[str, Any]) -> CallOutcome:
        """Call a tool. Raises `ToolServerError` where no answer came in time."""
        with _as_sentences(self.server, f"did not answer the call of {name}"):
            result = await self._client.call_tool(name, arguments)
        parts = [str(getattr(part, "text", f"[{part.type}]")) for part in result.content]
        if not parts and result.structured_content is not None:
            parts = [json_text(result.structured_content)]
        return CallOutcome("\n".join(parts), bool(result.is_error))


def _listed(tool: Any) -> ListedTool:
    definition = {"name": tool.name, "description": tool.description or "", "inputSchema": tool.input_schema}
    hints = tool.annotations
    read_only = bool(hints and hints.read_only_hint)
    harmless = bool(hints and hints.destructive_hint is False)
    return ListedTool(definition, destructive=not read_only and not harmless)


@contextlib.asynccontextmanager
async def connected(server: ToolServer, bounds: Bounds) -> AsyncIterator[Connection]:
    """The server, connected until the block is left; a process that was started for it is gone then.

    Raises `ToolServerError` when it does not start, or is not ready within `bounds.start_s` seconds.
    """
    if find_spec("mcp") is None:
        raise FcAssetsError(NO_MCP)
    import anyio
    from mcp import Client

    from fc_assets.tool_servers.transports import http_streams, process_streams

    with temporary_folder("mcp") as folder:
        log = folder / "stderr"
        if server.url:
            transport = http_streams(server, bounds.answer_s, bounds.message_bytes)
        else:
            transport = process_streams(server, log, bounds.message_bytes)
        ready = False
        with anyio.CancelScope(deadline=anyio.current_time() + bounds.start_s) as starting:
            try:
                async with Client(transport, read_timeout_seconds=bounds.answer_s) as client:
                    starting.deadline, ready = math.inf, True
                    yield Connection(server, client, bounds)
            except Exception as error:
                cause = _cause(error)
                if ready or isinstance(cause, FcAssetsError):
                    raise cause from error
                raise _failed(server, "could not be connected", cause, log) from error
        if starting.cancelled_caught:
            late = TimeoutError(f"it was not ready within {bounds.start_s:g} s")
            raise _failed(server, "could not be connected", late, log)


@contextlib.contextmanager
def _as_sentences(server: ToolServer, what: str) -> Iterator[None]:
    """Errors of the SDK and of what it stands on as one `ToolServerError`."""
    try:
        yield
    except Exception as error:
        raise _failed(server, what, _cause(error)) from error


def _failed(server: ToolServer, what: str, cause: Exception, log: Path | None = None) -> ToolServerError:
    said = " ".join((str(cause) or type(cause).__name__).split())[:_SAID_CHARS]
    words = _last_words(log) if log else ""
    return ToolServerError(f"The MCP server {server.name} {what}: {said}{words}")


def _cause(error: Exception) -> Exception:
    """The error itself, or of a group of them the first."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _last_words(log: Path) -> str:
    text = log.read_bytes()[-2000:].decode("utf-8", "replace").strip() if log.is_file() else ""
    return f"; it printed last: {text.splitlines()[-1][:_SAID_CHARS]}" if text else ""


def as_tools_list(tools: list[ListedTool]) -> str:
    """The tools as MCP's `tools/list` returns them, as JSON."""
    return json.dumps({"tools": [tool.definition for tool in tools]}, indent=1, ensure_ascii=False)
