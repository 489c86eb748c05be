"""When two values are equal, and which emitted call answers which expected one.

Arguments are compared in canonical form: an optional argument that states its declared default is left out on both
sides, because leaving it out means the same. So stating defaults neither helps nor harms.

What a match is worth is decided in `metrics` and `rewards`.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.call import Call
from fc_assets.calls.coercion import number_in_text
from fc_assets.calls.tools.stubs import json_types
from fc_assets.calls.tools.toolset import ToolSet

RELATIVE_TOLERANCE = 1e-6
# BFCL's standardisation of strings (ast_checker.standardize_string): these characters are dropped, case is folded.
_STANDARDISE = str.maketrans(dict.fromkeys(" ,./-_*^", "") | {"'": '"'})


def equal(left: Any, right: Any, schema: Mapping[str, Any] | None = None, *, lenient: bool = False) -> bool:
    """Whether two JSON values mean the same. `schema` is the argument's own, used by the lenient comparison only.

    bool equals only bool; numbers by value, with a float on either side to a relative 1e-6; strings exactly after NFC
    and stripping (lenient: after BFCL's standardisation); lists in order; objects by key. Lenient also reads a
    numeric string as the number that the schema asks for.
    """
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, str) and isinstance(right, str):
        return left == right or _text(left, lenient) == _text(right, lenient)
    if isinstance(left, int | float) and isinstance(right, int | float):
        return _numbers_equal(left, right)
    if isinstance(left, list) and isinstance(right, list):
        items = _part(schema, "items")
        return len(left) == len(right) and all(
            equal(a, b, items, lenient=lenient) for a, b in zip(left, right, strict=True)
        )
    if isinstance(left, dict) and isinstance(right, dict):
        properties = _part(schema, "properties")
        return left.keys() == right.keys() and all(
            equal(value, right[key], _part(properties, key), lenient=lenient) for key, value in left.items()
        )
    if left is None or right is None:
        return left is right
    return lenient and _equal_as_numbers(left, right, schema)


@dataclass(frozen=True, slots=True)
class Match:
    """Emitted calls against expected ones, over canonical key-value pairs.

    Hits are pairs that are equal under the best pairing of calls; `perfect` means that names and all arguments agree.
    """

    names_hit: int
    names_equal: bool
    pairs_hit: int
    pairs_emitted: int
    pairs_expected: int
    perfect: bool

    @property
    def pair_f1(self) -> float:
        """F1 over key-value pairs. Where neither side has any: 1 if the same functions are called, else 0."""
        total = self.pairs_emitted + self.pairs_expected
        return 2 * self.pairs_hit / total if total else float(self.names_equal)


def match_calls(emitted: Sequence[Call], expected: Sequence[Call], tools: ToolSet, *, lenient: bool = False) -> Match:
    """Pair calls of the same name by the Hungarian method, weighted by their equal key-value pairs.

    The pairing maximises the number of equal pairs, so it finds a perfect one wherever there is one.
    """
    emitted_by_name = _by_name(emitted, tools, lenient)
    expected_by_name = _by_name(expected, tools, lenient)
    names_hit = pairs_hit = 0
    perfect = len(emitted) == len(expected)
    for name, wanted in expected_by_name.items():
        given = emitted_by_name.get(name, [])
        names_hit += min(len(given), len(wanted))
        hits, exact = _pair(given, wanted, name, tools, lenient)
        pairs_hit += hits
        perfect = perfect and exact
    return Match(
        names_hit=names_hit,
        names_equal=names_hit == len(emitted) == len(expected),
        pairs_hit=pairs_hit,
        pairs_emitted=sum(len(call) for calls in emitted_by_name.values() for call in calls),
        pairs_expected=sum(len(call) for calls in expected_by_name.values() for call in calls),
        perfect=perfect,
    )


def paired(emitted: Sequence[Call], expected: Sequence[Call], tools: ToolSet) -> list[tuple[Call, Call]]:
    """The (emitted, expected) pairs that `match_calls` forms, for explaining a row. Unpaired calls are left out."""
    result: list[tuple[Call, Call]] = []
    for name in Counter(call.name for call in expected):
        given = [call for call in emitted if call.name == name]
        wanted = [call for call in expected if call.name == name]
        given_arguments, wanted_arguments = ([canonical(call, tools) for call in calls] for calls in (given, wanted))
        weights = _weights(given_arguments, wanted_arguments, name, tools, lenient=False)
        result.extend((given[row], wanted[column]) for row, column in _assign(weights))
    return result


def canonical(call: Call, tools: ToolSet, *, lenient: bool = False) -> dict[str, Any]:
    """The call's arguments without the optional ones that state their declared default, in the wording or leniently."""
    tool = tools.first(call.name)
    if tool is None or not tool.defaults:
        return call.arguments

    def states_default(key: str, value: Any) -> bool:
        schema = tool.property_schema(key) if lenient else None
        return key in tool.defaults and equal(value, tool.defaults[key], schema, lenient=lenient)

    return {key: value for key, value in call.arguments.items() if not states_default(key, value)}


def _by_name(calls: Sequence[Call], tools: ToolSet, lenient: bool) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for call in calls:
        groups.setdefault(call.name, []).append(canonical(call, tools, lenient=lenient))
    return groups


def _pair(
    given: list[dict[str, Any]], wanted: list[dict[str, Any]], name: str, tools: ToolSet, lenient: bool
) -> tuple[int, bool]:
    """Equal key-value pairs under the best pairing, and whether every call found its exact counterpart."""
    weights = _weights(given, wanted, name, tools, lenient)
    pairs = _assign(weights)
    exact = len(given) == len(wanted) and all(
        weights[row][column] == len(given[row]) == len(wanted[column]) for row, column in pairs
    )
    return sum(weights[row][column] for row, column in pairs), exact


def _weights(
    given: list[dict[str, Any]], wanted: list[dict[str, Any]], name: str, tools: ToolSet, lenient: bool
) -> list[list[int]]:
    tool = tools.first(name) if lenient else None
    return [
        [
            sum(
                key in right and equal(value, right[key], tool.property_schema(key) if tool else None, lenient=lenient)
                for key, value in left.items()
            )
            for right in wanted
        ]
        for left in given
    ]


def _assign(weights: list[list[int]]) -> list[tuple[int, int]]:
    if not weights or not weights[0]:
        return []
    if len(weights) == len(weights[0]) == 1:
        return [(0, 0)]  # nearly every row: no need for scipy
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(weights, maximize=True)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _text(value: str, lenient: bool) -> str:
    value = unicodedata.normalize("NFC", value).strip()
    return value.translate(_STANDARDISE).lower() if lenient else value


def _numbers_equal(left: float, right: float) -> bool:
    if left == right:
        return True
    if isinstance(left, int) and isinstance(right, int):
        return False
    try:
        return math.isclose(left, right, rel_tol=RELATIVE_TOLERANCE)
    except OverflowError:  # an integer beyond the range of floats
        return False


def _equal_as_numbers(left: Any, right: Any, schema: Mapping[str, Any] | None) -> bool:
    text, number = (left, right) if isinstance(left, str) else (right, left)
    asks_for_number = schema is not None and json_types(schema) & {"number", "integer"}
    if not asks_for_number or not isinstance(text, str) or not isinstance(number, int | float):
        return False
    stated = number_in_text(text)
    return stated is not None and _numbers_equal(stated, number)


def _part(schema: Mapping[str, Any] | None, key: str) -> Mapping[str, Any] | None:
    part = schema.get(key) if schema else None
    return part if isinstance(part, Mapping) else None
