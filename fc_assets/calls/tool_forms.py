"""The forms in which tools come, read as one: OpenAI's functions, wrapped or not, and what an MCP server lists.

Keys are only renamed here. xLAM's flat parameters are read by `data.rows.tools`; whether a schema is valid is decided
in `schema`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class ToolForm(NamedTuple):
    """A tool as {"name", "description", "parameters"}, as far as it has these keys.

    `from_mcp` says that `parameters` is a JSON Schema whatever it looks like; elsewhere it may be anything.
    """

    function: Mapping[str, Any]
    from_mcp: bool


def read_form(tool: Mapping[str, Any]) -> ToolForm:
    """One tool without OpenAI's wrapper, and with MCP's `inputSchema` as its parameters. Further keys of MCP go."""
    wrapped = tool.get("function")
    function = wrapped if isinstance(wrapped, dict) else tool
    if "inputSchema" not in function:
        return ToolForm(function, from_mcp=False)
    kept = {name: function[name] for name in ("name", "description") if name in function}
    return ToolForm({**kept, "parameters": function["inputSchema"]}, from_mcp=True)


def listed_tools(value: object) -> object:
    """The list in the whole result of MCP's `tools/list`, {"tools": [...]}; anything else as it is."""
    if isinstance(value, dict) and isinstance(value.get("tools"), list):
        return value["tools"]
    return value
