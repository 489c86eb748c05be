"""Tools in any of the forms they come in, as the project's one: {"name", "description", "parameters": JSON Schema}.

Read here: xLAM's flat parameters, OpenAI functions (wrapped or not), BFCL's, Anthropic's, and what an MCP server's
`tools/list` returns. Reading rows is in `normalise`, parameters in `parameters`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from fc_assets.calls.control_text import holds_control_text
from fc_assets.calls.nesting import MAX_UNFOLDED, nested_too_deeply, unfolds_too_far
from fc_assets.calls.tools.forms import listed_tools, read_form
from fc_assets.calls.tools.schema import closed, compile_schema
from fc_assets.calls.tools.untrusted import why_refused
from fc_assets.data.rows.parameters import RequiredPolicy, expected_names, from_flat, is_json_schema, respelled
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.errors import FcAssetsError

FLAG_UNKNOWN_TYPE = "unknown_type"
FLAG_DUPLICATE_TOOLS = "duplicate_tools"
"""The row offered a tool twice. An equal copy is dropped; tools that share only their name are all kept."""
FLAG_CONTROL_TEXT = "control_text"
"""A question, a tool or a tool's result holds text that looks like a mark of the chat template (`<|im_end|>`). It is
learnt as text, GRPO and DPO leave it out; in an expected answer it puts the row into quarantine."""
MAX_TOOLS = 256
_MAX_NESTING = 64
_MISPLACED = ("args", "params", "schema", "properties", "required_parameters", "optional_parameters")
"""Where other sets keep parameters. A tool that has one of these and no `parameters` is not one without parameters."""
_CACHED_TOOLS = 65_536
_CACHED_OFFERS = 32_768


@dataclass(frozen=True, slots=True)
class ReadTool:
    """One tool ready to be written: its name, its JSON text, and the type names that are unknown."""

    name: str
    json: str
    unknown_types: tuple[str, ...] = ()


class OfferedTools(NamedTuple):
    """The tools of a row: their JSON list, names, unknown type names, and the row's flags that follow."""

    json: str
    names: tuple[str, ...]
    unknown_types: tuple[str, ...]
    flags: tuple[str, ...]


def join_tools(read: Sequence[ReadTool]) -> OfferedTools:
    """What a row offers that offers these tools."""
    names = tuple(tool.name for tool in read)
    unknown = tuple(name for tool in read for name in tool.unknown_types)
    flags = (FLAG_UNKNOWN_TYPE,) if unknown else ()
    if len(set(names)) < len(names):
        flags = (*flags, FLAG_DUPLICATE_TOOLS)
        read = list(dict.fromkeys(read))
    text = f"[{','.join([tool.json for tool in read])}]"
    if holds_control_text(text):
        flags = (*flags, FLAG_CONTROL_TEXT)
    return OfferedTools(text, names, unknown, flags)


@dataclass
class ToolReader:
    """Reads tools under one policy. Equal tools are converted once: real data offers few tools in many rows.

    `unknown_types` counts every appearance of a type name that became `{}`.
    """

    policy: RequiredPolicy = "unless_optional_or_default"
    unknown_types: Counter[str] = field(default_factory=Counter)
    known_offers: dict[str, OfferedTools] = field(default_factory=dict)
    _known: dict[bytes, ReadTool] = field(default_factory=dict)

    def read(self, value: object) -> list[ReadTool]:
        """The tools in `value`: a list, or an MCP result `{"tools": [...]}`. Raises `RowRejectedError`."""
        value = listed_tools(value)
        if not isinstance(value, list):
            raise RowRejectedError("tools are not a list", f"found {type(value).__name__}")
        if not value:
            raise RowRejectedError("no tools")
        if len(value) > MAX_TOOLS:
            raise RowRejectedError("too many tools", f"{len(value)}, at most {MAX_TOOLS}")
        found = [self._read_one(tool) for tool in value]
        for tool in found:
            if tool.unknown_types:
                self.unknown_types.update(tool.unknown_types)
        return found

    def remember(self, text: str, offer: OfferedTools) -> None:
        """Keep what a text of tools was read as in `known_offers`, whose size is bounded."""
        if len(self.known_offers) >= _CACHED_OFFERS:
            self.known_offers.clear()
        self.known_offers[text] = offer

    def _read_one(self, tool: object) -> ReadTool:
        try:
            key = orjson.dumps(tool)
        except TypeError as error:
            raise RowRejectedError("tool is not JSON", str(error)) from None
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _CACHED_TOOLS:
                self._known.clear()
            known = self._known[key] = read_tool(tool, self.policy)
        return known


def read_tool(tool: object, policy: RequiredPolicy = "unless_optional_or_default") -> ReadTool:
    """Convert one tool; raises `RowRejectedError` if it has no name or its parameters are no valid schema."""
    if not isinstance(tool, dict):
        raise RowRejectedError("tool is not an object", f"found {type(tool).__name__}")
    function, is_schema = read_form(tool)
    name = function.get("name")
    if not isinstance(name, str) or not name.strip():
        raise RowRejectedError("tool without a name", f"{function!r:.120}")
    unknown: list[str] = []
    schema = _schema(name, function, is_schema, policy, unknown)
    if unfolds_too_far(schema):
        raise RowRejectedError("schema unfolds too far", f"tool {name!r} has more than {MAX_UNFOLDED} parts")
    _expect_valid(name, schema)
    converted = {"name": name, "description": str(function.get("description") or ""), "parameters": schema}
    return ReadTool(name, orjson.dumps(converted).decode(), tuple(unknown))


def read_untrusted_tool(tool: object, policy: RequiredPolicy = "unless_optional_or_default") -> ReadTool:
    """Convert a tool that a stranger wrote; raises `RowRejectedError` also for one that no model may be shown."""
    if nested_too_deeply(tool, _MAX_NESTING):
        raise RowRejectedError("tool is nested too deeply")
    read = read_tool(tool, policy)
    if reason := why_refused(orjson.loads(read.json)):
        raise RowRejectedError(reason, read.name[:80])
    return read


def _schema(
    name: str, function: Mapping[str, Any], is_schema: bool, policy: RequiredPolicy, unknown: list[str]
) -> dict[str, Any]:
    parameters = function.get("parameters")
    if parameters is None:
        if misplaced := [key for key in _MISPLACED if function.get(key)]:
            raise RowRejectedError(
                "parameters under another name", f"tool {name!r} has {misplaced[0]!r} where 'parameters' is expected"
            )
        parameters = {}
    if not isinstance(parameters, dict):
        raise RowRejectedError("parameters are not an object", f"tool {name!r} has {parameters!r:.80}")
    if is_schema:
        return {"type": "object", "properties": {}, **parameters}
    required = function.get("required")
    listed = required if isinstance(required, list) and all(isinstance(each, str) for each in required) else None
    if not is_json_schema(parameters):
        return from_flat(name, parameters, policy, unknown, listed)
    schema = {"type": "object", "properties": {}, **respelled(parameters, unknown)}
    if listed and "required" not in schema:
        schema["required"] = expected_names(name, listed, schema["properties"])
    return schema


def _expect_valid(tool: str, schema: Mapping[str, Any]) -> None:
    try:
        compile_schema(closed(schema), f"the tool {tool!r}")
    except (FcAssetsError, RecursionError) as error:
        raise RowRejectedError("parameters are no valid JSON Schema", str(error)[:300]) from None
