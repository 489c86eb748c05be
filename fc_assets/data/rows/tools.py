"""Tools in any of the forms they come in, as the project's one: {"name", "description", "parameters": JSON Schema}.

Read here: xLAM's flat parameters, OpenAI functions (wrapped or not), and what an MCP server's `tools/list` returns.
Reading rows is in `normalise`, type annotations in `xlam_types`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import orjson

from fc_assets.calls.coercion import coerced_default
from fc_assets.calls.tools.forms import listed_tools, read_form
from fc_assets.calls.tools.schema import closed, compile_schema
from fc_assets.data.rows.xlam_types import parse_type
from fc_assets.errors import FcAssetsError

RequiredPolicy = Literal["unless_optional_or_default", "all", "none"]
FLAG_UNKNOWN_TYPE = "unknown_type"
FLAG_DUPLICATE_TOOLS = "duplicate_tools"
"""The row offered a tool twice. An equal copy is dropped; tools that share only their name are all kept."""
MAX_TOOLS = 256
MAX_PARAMETERS = 512
_CACHED_TOOLS = 65_536
_CACHED_OFFERS = 32_768
_EMPTY_DEFAULTS = ("", None)


class RowRejectedError(ValueError):
    """A row that goes into quarantine. `reason` is short and countable, `detail` says what was found."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


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
    return OfferedTools(f"[{','.join([tool.json for tool in read])}]", names, unknown, flags)


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
    function, from_mcp = read_form(tool)
    name = function.get("name")
    if not isinstance(name, str) or not name.strip():
        raise RowRejectedError("tool without a name", f"{function!r:.120}")
    parameters = function.get("parameters")
    if parameters is None:
        parameters = {}
    if not isinstance(parameters, dict):
        raise RowRejectedError("parameters are not an object", f"tool {name!r} has {parameters!r:.80}")
    unknown: list[str] = []
    if from_mcp or _is_json_schema(parameters):
        schema = {"type": "object", "properties": {}, **parameters}
    else:
        schema = _from_flat(name, parameters, policy, unknown)
    _expect_valid(name, schema)
    converted = {"name": name, "description": str(function.get("description") or ""), "parameters": schema}
    return ReadTool(name, orjson.dumps(converted).decode(), tuple(unknown))


def _is_json_schema(parameters: Mapping[str, Any]) -> bool:
    """Whether this is a schema rather than xLAM's `{parameter name: description}`.

    A flat parameter may itself be called `type` or `properties`; what is behind it is then an annotated object, whereas
    a schema has the word "object", or objects alone below `properties`.
    """
    kind = parameters.get("type")
    if isinstance(kind, str):
        return kind == "object"
    properties = parameters.get("properties")
    return isinstance(properties, dict) and all(isinstance(part, dict) for part in properties.values())


def _from_flat(tool: str, parameters: Mapping[str, Any], policy: RequiredPolicy, unknown: list[str]) -> dict[str, Any]:
    if len(parameters) > MAX_PARAMETERS:
        raise RowRejectedError("too many parameters", f"tool {tool!r} has {len(parameters)}, at most {MAX_PARAMETERS}")
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, parameter in parameters.items():
        if not isinstance(parameter, dict):
            raise RowRejectedError("parameter is not an object", f"{tool}.{name} is {parameter!r:.80}")
        annotation = parameter.get("type", "Any")
        if not isinstance(annotation, str):
            raise RowRejectedError("parameter type is not text", f"{tool}.{name} has {annotation!r:.80}")
        meaning = parse_type(annotation)
        unknown.extend(meaning.unknown)
        part = dict(meaning.schema)
        if parameter.get("description"):
            part["description"] = str(parameter["description"])
        if isinstance(parameter.get("enum"), list) and parameter["enum"]:
            part["enum"] = parameter["enum"]
        default = parameter.get("default")
        if default in _EMPTY_DEFAULTS:
            default = meaning.default
        if default not in _EMPTY_DEFAULTS:
            part["default"] = coerced_default(default, meaning.schema)
        properties[name] = part
        needed = not meaning.optional and "default" not in part
        if policy == "all" or (policy == "unless_optional_or_default" and needed):
            required.append(name)
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return {**schema, "required": required} if required else schema


def _expect_valid(tool: str, schema: Mapping[str, Any]) -> None:
    try:
        compile_schema(closed(schema), f"the tool {tool!r}")
    except (FcAssetsError, RecursionError) as error:
        raise RowRejectedError("parameters are no valid JSON Schema", str(error)[:300]) from None
