"""The parameters of one tool as JSON Schema, from xLAM's flat form or from a schema that is spelt otherwise.

Type annotations are read by `xlam_types`; where in a tool its parameters stand is decided in `calls.tools.forms`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fc_assets.calls.coercion import coerced_default
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.xlam_types import parse_type

RequiredPolicy = Literal["unless_optional_or_default", "all", "none"]
MAX_PARAMETERS = 512

_EMPTY_DEFAULTS = ("", None)
_JSON_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_OBJECT_TYPES = frozenset({"object", "dict"})
_EACH_BELOW = ("properties", "$defs", "definitions", "patternProperties")
_LISTS_BELOW = ("anyOf", "oneOf", "allOf", "prefixItems")
_BELOW = ("items", "additionalProperties", "contains", "not")
_NESTED = ("properties", "items", "additionalProperties")
"""With one of these a flat parameter is a schema of its own."""
_STATED = {"true": True, "false": False}


def is_json_schema(parameters: Mapping[str, Any]) -> bool:
    """Whether this is a schema rather than xLAM's `{parameter name: description}`.

    A flat parameter may itself be called `type` or `properties`; what is behind it is then an annotated object, whereas
    a schema has the word "object" (BFCL writes "dict"), alone or in a list, or objects alone below `properties`.
    """
    kind = parameters.get("type")
    if isinstance(kind, str):
        return kind.lower() in _OBJECT_TYPES
    if isinstance(kind, list):
        return any(isinstance(each, str) and each.lower() in _OBJECT_TYPES for each in kind)
    properties = parameters.get("properties")
    return isinstance(properties, dict) and all(isinstance(part, dict) for part in properties.values())


def respelled(schema: Mapping[str, Any], unknown: list[str]) -> dict[str, Any]:
    """The schema with JSON Schema's own type names, in every part: BFCL writes dict, float, tuple and any.

    A name that means nothing is dropped, so that the part takes any value, and goes into `unknown`.
    """
    result = {name: value for name, value in schema.items() if name != "type"}
    result = {**_types(schema["type"], unknown), **result} if "type" in schema else result
    for key in _EACH_BELOW:
        if isinstance(result.get(key), dict):
            result[key] = {name: _if_schema(part, unknown) for name, part in result[key].items()}
    for key in _LISTS_BELOW:
        if isinstance(result.get(key), list):
            result[key] = [_if_schema(part, unknown) for part in result[key]]
    for key in _BELOW:
        if key in result:
            result[key] = _if_schema(result[key], unknown)
    return result


def from_flat(
    tool: str,
    parameters: Mapping[str, Any],
    policy: RequiredPolicy,
    unknown: list[str],
    required: Sequence[str] | None = None,
) -> dict[str, Any]:
    """xLAM's `{parameter name: {"type", "description", "default"?, "required"?}}` as a schema.

    `required` lists the required ones where the tool has such a list. Without it each parameter's own statement counts;
    where only some say that they are required, the others are not; where none says anything, `policy` decides.
    Type names without a meaning go into `unknown`. Raises `RowRejectedError`.
    """
    listed = required if required is not None else _names(parameters.get("required"))
    if listed is not None and required is None:
        parameters = {name: part for name, part in parameters.items() if name != "required"}
    if len(parameters) > MAX_PARAMETERS:
        raise RowRejectedError("too many parameters", f"tool {tool!r} has {len(parameters)}, at most {MAX_PARAMETERS}")
    properties: dict[str, Any] = {}
    optional: dict[str, bool] = {}
    stated: dict[str, bool] = {}
    for name, parameter in parameters.items():
        if not isinstance(parameter, dict):
            raise RowRejectedError("parameter is not an object", f"{tool}.{name} is {parameter!r:.80}")
        properties[name], optional[name] = _flat_parameter(f"{tool}.{name}", parameter, unknown)
        if (says := _statement(parameter.get("required"))) is not None:
            stated[name] = says
    if listed is not None:
        needed = expected_names(tool, listed, properties)
    elif stated and all(stated.values()):
        needed = [name for name in properties if name in stated]
    else:
        needed = [name for name in properties if stated.get(name, _by_policy(policy, optional[name]))]
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return {**schema, "required": needed} if needed else schema


def expected_names(tool: str, required: Sequence[str], properties: Mapping[str, Any]) -> list[str]:
    """`required` without repetitions. Raises `RowRejectedError` where it names what is no parameter."""
    for name in required:
        if name not in properties:
            raise RowRejectedError("required names no parameter", f"tool {tool!r} has no parameter {name!r:.80}")
    return list(dict.fromkeys(required))


def _flat_parameter(where: str, parameter: Mapping[str, Any], unknown: list[str]) -> tuple[dict[str, Any], bool]:
    """The schema of one parameter, and whether it may be left out as far as its type and default say."""
    annotation = parameter.get("type", "Any")
    if isinstance(annotation, list) and all(isinstance(each, str) for each in annotation):
        part, optional, default = dict(_types(annotation, unknown)), False, None
    elif isinstance(annotation, str):
        meaning = parse_type(annotation)
        unknown.extend(meaning.unknown)
        part, optional, default = dict(meaning.schema), meaning.optional, meaning.default
    else:
        raise RowRejectedError("parameter type is not text", f"{where} has {annotation!r:.80}")
    if any(isinstance(parameter.get(key), dict) for key in _NESTED):
        inner = {key: parameter[key] for key in _NESTED if key in parameter}
        if (names := _names(parameter.get("required"))) is not None:
            inner["required"] = names
        part |= respelled(inner, unknown)
    schema = dict(part)
    if parameter.get("description"):
        part["description"] = str(parameter["description"])
    if isinstance(parameter.get("enum"), list) and parameter["enum"]:
        part["enum"] = parameter["enum"]
    given = parameter.get("default")
    default = default if given in _EMPTY_DEFAULTS else given
    if default not in _EMPTY_DEFAULTS:
        part["default"] = coerced_default(default, schema)
    return part, optional or "default" in part


def _types(kind: object, unknown: list[str]) -> Mapping[str, Any]:
    """What a `type` says as JSON Schema: a name, or a list of them."""
    if isinstance(kind, str):
        if kind in _JSON_TYPES:
            return {"type": kind}
        meaning = parse_type(kind)
        unknown.extend(meaning.unknown)
        return meaning.schema
    if not isinstance(kind, list):
        return {"type": kind}  # no valid schema: whoever compiles it says so
    each = [_types(part, unknown) for part in kind]
    if {} in each:
        return {}
    names = [part["type"] for part in each if part.keys() == {"type"}]
    return {"type": list(dict.fromkeys(names))} if len(names) == len(each) else {"anyOf": each}


def _if_schema(part: Any, unknown: list[str]) -> Any:
    return respelled(part, unknown) if isinstance(part, Mapping) else part


def _names(value: object) -> list[str] | None:
    return list(value) if isinstance(value, list) and all(isinstance(name, str) for name in value) else None


def _statement(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return _STATED.get(value.strip().lower()) if isinstance(value, str) else None


def _by_policy(policy: RequiredPolicy, optional: bool) -> bool:
    return policy == "all" or (policy == "unless_optional_or_default" and not optional)
