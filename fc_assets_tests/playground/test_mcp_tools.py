"""Tools from a real MCP server, and addresses at which there is none."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator

import pytest
import uvicorn
from aiohttp import web

from fc_assets.errors import FcAssetsError
from fc_assets.playground import mcp_tools
from fc_assets.playground.examples import read_tools
from fc_assets.playground.mcp_tools import listed_by
from fc_assets.tool_servers.client import Bounds
from fc_assets_tests.support.web_server import serving


@pytest.fixture(scope="module")
def mcp_server() -> Iterator[str]:
    """The address of a server with one tool, on a thread of its own."""
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("test")

    @server.tool()
    def lift(n: int, quickly: bool = False) -> str:
        """Lifts it."""
        return f"{n} {quickly}"

    running = uvicorn.Server(uvicorn.Config(server.streamable_http_app(), port=0, log_level="error"))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        assert thread.is_alive()
    (listening,) = running.servers
    yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/mcp"
    running.should_exit = True
    thread.join(10)


@pytest.mark.slow
def test_the_tools_of_a_server_are_such_as_can_be_offered(mcp_server: str) -> None:
    listed = asyncio.run(listed_by(mcp_server))
    assert [tool["name"] for tool in listed] == ["lift"] and set(listed[0]) == {"name", "description", "inputSchema"}
    (tool,) = read_tools(json.dumps(listed))
    assert tool["description"] == "Lifts it."
    assert tool["parameters"]["required"] == ["n"] and tool["parameters"]["properties"]["quickly"]["default"] is False


@pytest.mark.parametrize("url", ["", "ls -l", "file:///etc/passwd", "ftp://127.0.0.1/mcp"])
def test_what_is_no_address_of_the_web_is_never_tried(url: str) -> None:
    with pytest.raises(FcAssetsError, match="is no address of an MCP server"):
        asyncio.run(listed_by(url))


def test_where_nothing_listens_one_sentence_says_so() -> None:
    with pytest.raises(FcAssetsError, match=r"http://127\.0\.0\.1:9/mcp could not be connected"):
        asyncio.run(listed_by("http://127.0.0.1:9/mcp"))


async def _words(_: web.Request) -> web.Response:
    return web.Response(text="hello")


async def _silence(_: web.Request) -> web.Response:
    await asyncio.sleep(5)
    return web.Response()


def test_another_kind_of_server_lists_no_tools() -> None:
    with serving(POST={"/mcp": _words}) as url, pytest.raises(FcAssetsError, match="could not be connected"):
        asyncio.run(listed_by(f"{url}/mcp"))


def test_one_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_tools, "_BOUNDS", Bounds(start_s=0.5))
    with serving(POST={"/mcp": _silence}) as url, pytest.raises(FcAssetsError, match=r"was not ready within 0\.5 s"):
        asyncio.run(listed_by(f"{url}/mcp"))
