"""xLAM's Python-like type annotations as JSON Schema (Draft 2020-12), by a recursive-descent parser.

The mapping is the one in the data set's own spelling: `str`, `List[Union[int, float]]`, `Tuple[float, float]`,
`Dict[str, int], optional`. JSON Schema's own names (`string`, `array`, ...) are read as well. What a tool or a row is
does not belong here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

MAX_TYPE_CHARS = 1000
MAX_TYPE_DEPTH = 16

_SCALARS = {
    "str": "string",
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
    "none": "null",
    "nonetype": "null",
    "null": "null",
}
_ARRAYS = frozenset({"list", "set", "array"})
_OBJECTS = frozenset({"dict", "object"})
_ANYTHING = frozenset({"any", "callable"})
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][\w.]*)|(?P<literal>'[^']*'|\"[^\"]*\"|-?\d+(?:\.\d+)?)|(?P<mark>\.\.\.|[\[\](),|:=])|$)"
)


@dataclass(frozen=True)
class XlamType:
    """What one annotation says.

    `schema` must not be changed: it is shared. `optional` is true for `T, optional` and `Optional[T]`. `default` is the
    value of `T, default X`, None without one. `unknown` lists the names that became `{}`.
    """

    schema: Mapping[str, Any]
    optional: bool = False
    default: object = None
    unknown: tuple[str, ...] = ()


class _NotATypeError(ValueError):
    """The text does not follow the grammar of annotations."""


@lru_cache(maxsize=4096)
def parse_type(text: str) -> XlamType:
    """The meaning of `text`; never raises. What the grammar does not hold is `{}`, with the text in `unknown`."""
    if len(text) > MAX_TYPE_CHARS:
        return XlamType({}, unknown=(text[:80],))
    try:
        return _Parser(text).annotation()
    except _NotATypeError:
        return XlamType({}, unknown=(text.strip()[:80],))


class _Parser:
    """annotation := union {"," ("optional" | "default" [":" | "="] anything)}; union := one {"|" one}."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.at = 0
        self.unknown: list[str] = []
        self.optional = False

    def annotation(self) -> XlamType:
        schema = self.union(0)
        default: object = None
        while self.at < len(self.tokens):
            self.take(",")
            word = self.name().lower()
            if word == "optional":
                self.optional = True
            elif word == "default":
                default = self.rest_as_value()
            else:
                raise _NotATypeError(word)
        return XlamType(schema, self.optional, default, tuple(self.unknown))

    def union(self, depth: int) -> Mapping[str, Any]:
        branches = [self.one(depth)]
        while self.accept("|"):
            branches.append(self.one(depth))
        return _any_of(branches)

    def one(self, depth: int) -> Mapping[str, Any]:
        if depth > MAX_TYPE_DEPTH:
            raise _NotATypeError("nested too deeply")
        spelled = self.name()
        name = spelled.removeprefix("typing.").lower()
        if name == "literal":
            return {"enum": self.literals()}
        if name == "callable":
            self.skip_brackets()
            return {}
        arguments = self.arguments(depth + 1)
        if name in _SCALARS and not arguments:
            return {"type": _SCALARS[name]}
        if name in _ARRAYS and len(arguments) <= 1:
            return _array(arguments[0] if arguments else {})
        if name == "tuple":
            return _tuple(arguments)
        if name in _OBJECTS and len(arguments) in (0, 2):
            values = arguments[1] if arguments else {}
            return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
        if name == "union" and arguments:
            return _any_of(arguments)
        if name == "optional" and len(arguments) == 1:
            self.optional = self.optional or depth == 0
            return _any_of([arguments[0], {"type": "null"}])
        if name not in _ANYTHING:
            self.unknown.append(spelled)
        return {}

    def arguments(self, depth: int) -> list[Mapping[str, Any]]:
        """What stands in brackets behind a name; `...` counts as an argument of its own, marked by `_ELLIPSIS`."""
        found: list[Mapping[str, Any]] = []
        if self.accept("["):
            while True:
                found.append(_ELLIPSIS if self.accept("...") else self.union(depth))
                if not self.accept(","):
                    break
            self.take("]")
        return found

    def literals(self) -> list[object]:
        values: list[object] = []
        self.take("[")
        while True:
            kind, token = self.next()
            if kind == "literal":
                values.append(ast.literal_eval(token))
            elif token in ("True", "False", "None"):
                values.append({"True": True, "False": False, "None": None}[token])
            else:
                raise _NotATypeError(token)
            if not self.accept(","):
                break
        self.take("]")
        return values

    def skip_brackets(self) -> None:
        open_brackets = 0
        while self.at < len(self.tokens):
            token = self.tokens[self.at][1]
            open_brackets += (token in ("[", "(")) - (token in ("]", ")"))
            if open_brackets < 0 or (open_brackets == 0 and token not in ("]", ")")):
                return
            self.at += 1
        if open_brackets:
            raise _NotATypeError("a bracket stays open")

    def rest_as_value(self) -> object:
        if not self.accept(":"):
            self.accept("=")
        start = self.tokens[self.at][2] if self.at < len(self.tokens) else len(self.text)
        self.at = len(self.tokens)
        text = self.text[start:].strip()
        try:
            value = ast.literal_eval(text) if len(text) < 100 else text
        except (ValueError, SyntaxError):
            return text
        readable = isinstance(value, str | bool) or (isinstance(value, int | float) and abs(value) < 2**53)
        return value if readable else text

    def name(self) -> str:
        kind, token = self.next()
        if kind != "name":
            raise _NotATypeError(token)
        return token

    def next(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise _NotATypeError("ends early")
        kind, token, _ = self.tokens[self.at]
        self.at += 1
        return kind, token

    def accept(self, mark: str) -> bool:
        found = self.at < len(self.tokens) and self.tokens[self.at][1] == mark
        self.at += found
        return found

    def take(self, mark: str) -> None:
        if not self.accept(mark):
            raise _NotATypeError(f"expected {mark}")


_ELLIPSIS: Mapping[str, Any] = {"...": True}


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    position, defaults_follow = 0, False
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None or not match.lastgroup:
            if not defaults_follow:
                raise _NotATypeError(text[position:])
            return  # a default value may hold anything; it is cut from the text itself
        kind = match.lastgroup
        yield kind, match.group(kind), match.start(kind)
        defaults_follow = defaults_follow or match.group(kind).lower() == "default"
        position = match.end()


def _any_of(branches: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    distinct: list[Mapping[str, Any]] = []
    for branch in branches:
        if branch is _ELLIPSIS:
            raise _NotATypeError("...")
        parts = branch["anyOf"] if branch.keys() == {"anyOf"} else [branch]
        distinct.extend(part for part in parts if part not in distinct)
    if {} in distinct:
        return {}
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _array(items: Mapping[str, Any]) -> Mapping[str, Any]:
    if items is _ELLIPSIS:
        raise _NotATypeError("...")
    return {"type": "array", "items": items} if items else {"type": "array"}


def _tuple(parts: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    if not parts:
        return {"type": "array"}
    if len(parts) == 2 and parts[1] is _ELLIPSIS:
        return _array(parts[0])
    if any(part is _ELLIPSIS for part in parts):
        raise _NotATypeError("...")
    return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}
