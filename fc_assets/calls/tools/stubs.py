"""A callable stand-in for a tool, made from its schema: it checks what a Python function would, and echoes.

A stub looks at the signature, the defaults, the enums and each argument's outermost type, range, length and format:
"2026-02-30" is no date, which a schema alone lets pass. Text is never executed. Nested types are checked by `schema`;
tools that really run are in `fc_assets.calls.world`.
"""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fc_assets.calls.tools.schema import compile_schema, is_valid

if TYPE_CHECKING:
    import jsonschema_rs

_EXTRA = "further_arguments"
_KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
_LIMITS = frozenset(
    {
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems"),
    }
)
"""Keywords of JSON Schema that say which values of a type are allowed."""


class StubError(TypeError):
    """The stub refused the arguments."""


@dataclass(frozen=True, slots=True)
class Stub:
    """A tool that can be called. `signature` is what the tool would have in Python; names that Python does not allow
    are respelled, and `spelling` maps the tool's own names to them."""

    name: str
    signature: inspect.Signature
    spelling: Mapping[str, str]
    types: Mapping[str, frozenset[str]]
    enums: Mapping[str, tuple[Any, ...]]
    limits: Mapping[str, jsonschema_rs.Draft202012Validator]

    def __call__(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Bind, fill in defaults, check types, enums and limits, and echo {"name", "arguments"}. Raises StubError."""
        for key, value in arguments.items():
            if not self.accepts_type(key, value):
                raise StubError(f"{self.name}: {key} must be {' or '.join(sorted(self.types[key]))}")
            if key in self.enums and not any(_same(value, choice) for choice in self.enums[key]):
                raise StubError(f"{self.name}: {key} must be one of {list(self.enums[key])}")
            if key in self.limits and not is_valid(self.limits[key], value):
                raise StubError(f"{self.name}: {key} is out of range or not of its format")
        try:
            bound = self.signature.bind(**{self.spelling.get(key, key): value for key, value in arguments.items()})
        except TypeError as error:
            raise StubError(f"{self.name}: {error}") from error
        bound.apply_defaults()
        filled = {name: bound.arguments[spelled] for name, spelled in self.spelling.items()}
        echoed = {name: value for name, value in filled.items() if value is not LEFT_OUT}
        return {"name": self.name, "arguments": {**echoed, **bound.arguments.get(_EXTRA, {})}}

    def accepts_type(self, key: str, value: Any) -> bool:
        """Whether the value has one of the types that the argument declares; true where it declares none."""
        allowed = self.types.get(key)
        return not allowed or _has_type(value, allowed)

    def binds(self, arguments: Mapping[str, Any]) -> bool:
        """Whether the call would return."""
        try:
            self(arguments)
        except StubError:
            return False
        return True


class _LeftOut:
    """Stands for an optional argument without a default."""

    def __repr__(self) -> str:
        return "<left out>"


LEFT_OUT = _LeftOut()


def make_stub(name: str, parameters: Mapping[str, Any]) -> Stub:
    """A stub for the closed schema `parameters`. An argument is optional when the schema does not require it."""
    properties: Mapping[str, Any] = parameters.get("properties") or {}
    required = set(parameters.get("required") or ())
    spelling = _spelling(properties)
    signature_parameters = []
    types: dict[str, frozenset[str]] = {}
    enums: dict[str, tuple[Any, ...]] = {}
    limits: dict[str, jsonschema_rs.Draft202012Validator] = {}
    for key, part in properties.items():
        part = part if isinstance(part, Mapping) else {}
        default = inspect.Parameter.empty if key in required else part.get("default", LEFT_OUT)
        signature_parameters.append(inspect.Parameter(spelling[key], _KEYWORD_ONLY, default=default))
        types[key] = json_types(part)
        if "const" in part:
            enums[key] = (part["const"],)
        elif isinstance(part.get("enum"), list):
            enums[key] = tuple(part["enum"])
        if limiting := {keyword: part[keyword] for keyword in _LIMITS & part.keys()}:
            limits[key] = compile_schema(limiting, f"the tool {name!r}", formats=True)
    if parameters.get("additionalProperties", True) is not False:
        signature_parameters.append(inspect.Parameter(_EXTRA, inspect.Parameter.VAR_KEYWORD))
    return Stub(name, inspect.Signature(signature_parameters), spelling, types, enums, limits)


def json_types(schema: Mapping[str, Any]) -> frozenset[str]:
    """The JSON types that the schema's outermost level allows; empty means any."""
    declared = schema.get("type")
    if isinstance(declared, str):
        return frozenset((declared,))
    if isinstance(declared, list):
        return frozenset(declared)
    for union in ("anyOf", "oneOf"):
        branches = schema.get(union)
        if isinstance(branches, list):
            each = [json_types(branch) if isinstance(branch, Mapping) else frozenset() for branch in branches]
            return frozenset().union(*each) if all(each) else frozenset()
    return frozenset()


def _spelling(properties: Mapping[str, Any]) -> dict[str, str]:
    spelling: dict[str, str] = {}
    taken = {_EXTRA}
    for key in properties:
        spelled = key if key.isidentifier() and not keyword.iskeyword(key) else f"argument_{len(spelling)}"
        while spelled in taken or (spelled != key and spelled in properties):
            spelled += "_"
        taken.add(spelled)
        spelling[key] = spelled
    return spelling


def _has_type(value: Any, allowed: frozenset[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in allowed
    if isinstance(value, int):
        return "integer" in allowed or "number" in allowed
    if isinstance(value, float):
        return "number" in allowed or ("integer" in allowed and value.is_integer())
    names = {str: "string", list: "array", dict: "object", type(None): "null"}
    return names.get(type(value), "") in allowed


def _same(value: Any, choice: Any) -> bool:
    return isinstance(value, bool) == isinstance(choice, bool) and value == choice
