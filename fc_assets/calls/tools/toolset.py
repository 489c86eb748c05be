"""The tools offered in one row, compiled: validators, stubs and defaults by name. Cached, since rows share tools.

Which forms of a tool are read is decided in `forms`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fc_assets.calls.call import Call, Tool
from fc_assets.calls.tools.forms import tools_from_json
from fc_assets.calls.tools.schema import closed, compile_schema, is_valid
from fc_assets.calls.tools.stubs import Stub, json_types, make_stub
from fc_assets.calls.world.implementations import Implementation, implementation_of
from fc_assets.errors import FcAssetsError

if TYPE_CHECKING:
    import jsonschema_rs


@dataclass(frozen=True, slots=True)
class CompiledTool:
    """One tool: its closed schema, and what is made from it. `defaults` holds those of optional arguments only.

    `implementation` is what runs in `world`; None for a tool that has only its stub.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    validator: jsonschema_rs.Draft202012Validator
    stub: Stub
    defaults: Mapping[str, Any]
    implementation: Implementation | None

    def property_schema(self, key: str) -> Mapping[str, Any]:
        """The schema of the argument `key`; empty if the tool does not declare it."""
        part = (self.parameters.get("properties") or {}).get(key)
        return part if isinstance(part, Mapping) else {}


@dataclass(frozen=True, slots=True)
class ToolSet:
    """The tools of one row by name. Real data may offer a name twice: a call counts if any of them takes it."""

    by_name: Mapping[str, tuple[CompiledTool, ...]]

    def __contains__(self, name: str) -> bool:
        return name in self.by_name

    def first(self, name: str) -> CompiledTool | None:
        """The first tool of that name, whose defaults and types the comparison uses."""
        found = self.by_name.get(name)
        return found[0] if found else None

    def validates(self, call: Call) -> bool:
        """Whether the call names an offered tool and its arguments satisfy that tool's schema."""
        return any(is_valid(tool.validator, call.arguments) for tool in self.by_name.get(call.name, ()))

    def executes(self, call: Call) -> bool:
        """Whether the call names an offered tool and its stub returns."""
        return any(tool.stub.binds(call.arguments) for tool in self.by_name.get(call.name, ()))


def compile_tools(tools: Sequence[Tool] | str) -> ToolSet:
    """Compile a list of tools, or the JSON text of one. Raises FcAssetsError if a tool or its schema is malformed."""
    return _compile_set(tools if isinstance(tools, str) else json.dumps(tools))


@lru_cache(maxsize=4096)
def _compile_set(tools: str) -> ToolSet:
    by_name: dict[str, tuple[CompiledTool, ...]] = {}
    for tool in tools_from_json(tools):
        if not isinstance(tool.get("name"), str):
            raise FcAssetsError(f"a tool must have a name, but this one has none: {tool!r:.200}")
        by_name[tool["name"]] = (*by_name.get(tool["name"], ()), _compile_tool(json.dumps(tool)))
    return ToolSet(by_name)


@lru_cache(maxsize=16384)
def _compile_tool(tool_json: str) -> CompiledTool:
    tool = json.loads(tool_json)
    name = tool["name"]
    parameters = tool.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise FcAssetsError(f"the parameters of the tool {name!r} must be a JSON Schema object, not {parameters!r:.99}")
    parameters = closed({"type": "object", "properties": {}, **parameters})
    validator = compile_schema(parameters, f"the tool {name!r}")
    required = set(parameters.get("required") or ())
    defaults = {
        key: part["default"]
        for key, part in parameters["properties"].items()
        if isinstance(part, Mapping) and "default" in part and key not in required
    }
    stub = make_stub(name, parameters)
    types = {key: "/".join(sorted(json_types(part))) for key, part in parameters["properties"].items()}
    return CompiledTool(
        name,
        str(tool.get("description") or ""),
        parameters,
        validator,
        stub,
        defaults,
        implementation_of(name, types, defaults),
    )
