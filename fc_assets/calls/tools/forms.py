"""The forms in which tools come, read as one: OpenAI's functions, wrapped or not, Anthropic's, and what MCP lists.

Keys are only renamed here. xLAM's flat parameters are read by `data.rows.tools`; whether a schema is valid is decided
in `schema`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fc_assets.calls.call import json_value
from fc_assets.errors import FcAssetsError

_SCHEMA_KEYS = ("inputSchema", "input_schema")


class ToolForm(NamedTuple):
    """A tool as {"name", "description", "parameters"}, as far as it has these keys.

    `is_schema` says that `parameters` is a JSON Schema whatever it looks like; elsewhere it may be anything.
    """

    function: Mapping[str, Any]
    is_schema: bool


def read_form(tool: Mapping[str, Any]) -> ToolForm:
    """One tool without OpenAI's wrapper, its parameters under that name.

    They may also stand under MCP's `inputSchema`, Anthropic's `input_schema`, or `arguments`. Further keys of the first
    two go.
    """
    wrapped = tool.get("function")
    function = wrapped if isinstance(wrapped, dict) else tool
    for key in _SCHEMA_KEYS:
        if key in function:
            kept = {name: function[name] for name in ("name", "description") if name in function}
            return ToolForm({**kept, "parameters": function[key]}, is_schema=True)
    if "parameters" not in function and isinstance(function.get("arguments"), dict):
        renamed = {("parameters" if name == "arguments" else name): value for name, value in function.items()}
        return ToolForm(renamed, is_schema=False)
    return ToolForm(function, is_schema=False)


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
