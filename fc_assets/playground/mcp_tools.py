"""The tools that an MCP server lists, asked by its own protocol. Calling them is not done here: that may change things.

The library comes with vLLM, in either stack.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fc_assets.errors import FcAssetsError

_TIMEOUT_S = 15.0
_MOST_PAGES = 20


async def listed_by(url: str) -> list[dict[str, Any]]:
    """The tools of the MCP server at `url` (streamable HTTP), as `tools/list` gives them: name, description,
    inputSchema.

    Raises `FcAssetsError` where there is no such server.
    """
    if not url.startswith(("http://", "https://")):
        raise FcAssetsError(f"{url!r:.120} is no address of an MCP server; one is such as http://127.0.0.1:8000/mcp")
    try:
        return await asyncio.wait_for(_list(url), _TIMEOUT_S)
    except TimeoutError as error:
        raise FcAssetsError(f"{url} did not list its tools within {_TIMEOUT_S:.0f} s; is it an MCP server?") from error
    except Exception as error:  # whatever the library, or what it sends with, raises: alone or in a group
        raise FcAssetsError(f"{url} lists no tools ({_first(error)}); is an MCP server running there?") from error


async def _list(url: str) -> list[dict[str, Any]]:
    from mcp import Client

    found: list[dict[str, Any]] = []
    async with Client(url) as client:
        cursor = None
        for _ in range(_MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            found += [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                break
    return [{key: tool[key] for key in ("name", "description", "inputSchema") if key in tool} for tool in found]


def _first(error: BaseException) -> str:
    """What the first error of a group says, or the error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:200]
