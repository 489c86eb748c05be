"""The forms in which tools come, read as one: OpenAI's functions, wrapped or not, and what an MCP server lists.

Keys are only renamed here. xLAM's flat parameters are read by `data.rows.tools`; whether a schema is valid is decided
in `schema`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fc_assets.calls.call import json_value
from fc_assets.errors import FcAssetsError


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


def tools_from_json(text: str) -> list[dict[str, Any]]:
    """Read a JSON list of tools: functions, OpenAI's wrapped ones, or those that an MCP server's `tools/list` returns.

    Raises FcAssetsError on any other form.
    """
    value = listed_tools(json_value(text, "tools"))
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise FcAssetsError(f"tools must be a JSON list of objects, but they are {text:.200}")
    return [dict(read_form(tool).function) for tool in value]
