"""The tools of the MCP server at an address, listed for the page. Calling them is not done here: it may change things.

A command that starts a server is not taken: whatever can reach the page could then start a process.
"""

from __future__ import annotations

from typing import Any

from fc_assets.errors import FcAssetsError
from fc_assets.tool_servers.addresses import parse_server
from fc_assets.tool_servers.client import Bounds, connected

_BOUNDS = Bounds(start_s=15.0, answer_s=15.0)


async def listed_by(url: str) -> list[dict[str, Any]]:
    """The tools of the MCP server at `url` (streamable HTTP), as `tools/list` gives them: name, description,
    inputSchema.

    Raises `FcAssetsError` where there is no such server.
    """
    if not url.startswith(("http://", "https://")):
        raise FcAssetsError(f"{url!r:.120} is no address of an MCP server; one is such as http://127.0.0.1:8000/mcp")
    async with connected(parse_server(url), _BOUNDS) as connection:
        return [tool.definition for tool in await connection.list_tools()]
