"""The tools that the policy is offered: all of all servers that can be used, that are allowed, and whose names differ.

A tool that is left out is counted with its reason. Asking a server for its list is `tool_servers.client`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from fc_assets.calls.call import Tool
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.tools import read_untrusted_tool
from fc_assets.errors import FcAssetsError
from fc_assets.tool_servers.client import Connection, ListedTool

MAX_OFFERED = 64
"""In one prompt: more do not fit into a small model's context."""


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool with its server; `tool` is its form in the prompt."""

    tool: Tool
    listed: ListedTool
    connection: Connection


@dataclass
class Offer:
    """What the policy may call, by name, and what was left out: (server, tool, reason)."""

    tools: dict[str, OfferedTool] = field(default_factory=dict)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def forms(self) -> list[Tool]:
        """The tools as the prompt has them."""
        return [offered.tool for offered in self.tools.values()]


async def gather(connections: Sequence[Connection], allowed: Collection[str]) -> Offer:
    """The tools of all servers, in order; only those named in `allowed`, if any are.

    Raises `FcAssetsError` where none is left, or more than `MAX_OFFERED` are.
    """
    offer = Offer()
    for connection in connections:
        for listed in await connection.list_tools():
            if allowed and listed.name not in allowed:
                offer.left_out.append((connection.server.name, listed.name, "not allowed"))
                continue
            try:
                tool = json.loads(read_untrusted_tool(listed.definition).json)
                if listed.name in offer.tools:
                    raise RowRejectedError("another server has a tool of this name")
            except RowRejectedError as error:
                offer.left_out.append((connection.server.name, listed.name[:80], error.reason))
                continue
            offer.tools[listed.name] = OfferedTool(tool, listed, connection)
    if not offer.tools:
        reasons = ", ".join(dict.fromkeys(reason for _, _, reason in offer.left_out)) or "they list none"
        raise FcAssetsError(
            f"The MCP servers have no tool that can be offered ({reasons}); name other servers or tools"
        )
    if len(offer.tools) > MAX_OFFERED:
        raise FcAssetsError(f"{len(offer.tools)} tools are too many for one prompt; --allow at most {MAX_OFFERED}")
    return offer
