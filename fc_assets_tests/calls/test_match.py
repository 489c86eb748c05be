"""Equality of values and the pairing of calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fc_assets.calls.call import Call
from fc_assets.calls.match import equal, match_calls
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets_tests.support.tools import TOOLS, weather

NUMBER, TEXT = {"type": "number"}, {"type": "string"}
# left, right, the argument's schema, equal in strict, equal in lenient
VALUES = [
    (True, True, None, True, True),
    (True, 1, None, False, False),
    (0, False, None, False, False),
    (5, 5.0, None, True, True),
    (5, 6, None, False, False),
    (10**400, 10**400, None, True, True),
    (10**400, 1.0, None, False, False),
    (1.0, 1.0000001, None, True, True),
    (1.0, 1.00001, None, False, False),
    (1000000, 1000001, None, False, False),
    ("5", 5, NUMBER, False, True),
    (5.0, "5", {"type": ["integer", "null"]}, False, True),
    ("5", 5, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, False, True),
    ("5", 5, TEXT, False, False),
    ("five", 5, NUMBER, False, False),
    ("5", 5, None, False, False),
    ("true", True, {"type": "boolean"}, False, False),
    (" Paris", "Paris ", None, True, True),
    ("Cafe\u0301", "Caf\u00e9", None, True, True),
    ("new york", "New-York", None, False, True),
    ("it's", 'it"s', None, False, True),
    ("a", "b", None, False, False),
    ([1, 2], [1, 2.0], None, True, True),
    ([1, 2], [2, 1], None, False, False),
    ([1], [1, 1], None, False, False),
    (["1"], [1], {"type": "array", "items": NUMBER}, False, True),
    ({"a": 1, "b": [True]}, {"b": [True], "a": 1.0}, None, True, True),
    ({"a": 1}, {"a": 1, "b": None}, None, False, False),
    ({"a": "1"}, {"a": 1}, {"type": "object", "properties": {"a": NUMBER}}, False, True),
    (None, None, None, True, True),
    (None, 0, None, False, False),
    (None, "", None, False, False),
    ({}, [], None, False, False),
]


@pytest.mark.parametrize("left, right, schema, strict, lenient", VALUES)
def test_equality(left: object, right: object, schema: dict | None, strict: bool, lenient: bool) -> None:
    assert equal(left, right, schema) is equal(right, left, schema) is strict
    assert equal(left, right, schema, lenient=True) is equal(right, left, schema, lenient=True) is lenient


# emitted, expected, (pairs hit, emitted, expected), names equal, perfect
A, B = weather("A"), weather("B")
CALLS = {
    "same": ([A], [A], (1, 1, 1), True, True),
    "order of calls": ([B, A], [A, B], (2, 2, 2), True, True),
    "a wrong value": ([B], [A], (0, 1, 1), True, False),
    "a missing call": ([A], [A, B], (1, 1, 2), False, False),
    "an extra call": ([A, B], [A], (1, 2, 1), False, False),
    "a duplicate": ([A, A], [A], (1, 2, 1), False, False),
    "nothing": ([], [A], (0, 0, 1), False, False),
    "nothing on either side": ([], [], (0, 0, 0), True, True),
    "case matters in names": ([Call("Get_weather", {"city": "A"})], [A], (0, 1, 1), False, False),
    "no arguments": ([Call("ping", {})], [Call("ping", {})], (0, 0, 0), True, True),
    "a default stated": ([weather("A", days=1, unit="celsius")], [A], (1, 1, 1), True, True),
    "a default left out": ([A], [weather("A", days=1.0)], (1, 1, 1), True, True),
    "another value than the default": ([weather("A", days=2)], [A], (1, 2, 1), True, False),
    "an option without a default": ([weather("A", alerts=False)], [A], (1, 2, 1), True, False),
    "the best pairing, not the first": (
        [weather("A", days=2), weather("B", days=3)],
        [weather("C", days=3), weather("A", days=2)],
        (3, 4, 4),
        True,
        False,
    ),
    "an unknown tool is compared as it is": ([Call("x", {"a": 1})], [Call("x", {"a": 1})], (1, 1, 1), True, True),
}


@pytest.mark.parametrize("case", CALLS.values(), ids=CALLS)
def test_pairing(case: tuple) -> None:
    emitted, expected, pairs, names_equal, perfect = case
    match = match_calls(emitted, expected, compile_tools(TOOLS))
    assert (match.pairs_hit, match.pairs_emitted, match.pairs_expected) == pairs
    assert (match.names_equal, match.perfect) == (names_equal, perfect)


def test_f1_without_any_pair() -> None:
    tools, ping = compile_tools(TOOLS), Call("ping", {})
    assert match_calls([ping], [ping], tools).pair_f1 == 1
    assert match_calls([], [], tools).pair_f1 == 1
    assert match_calls([], [ping], tools).pair_f1 == 0
    assert match_calls([ping, ping], [ping], tools).pair_f1 == 0


arguments = st.fixed_dictionaries(
    {}, optional={key: st.sampled_from([1, 2, "x"]) for key in ("city", "days", "unit", "alerts")}
)
calls = st.lists(st.builds(Call, st.sampled_from(["get_weather", "book"]), arguments), max_size=5)


@given(calls, calls, st.randoms(use_true_random=False))
def test_permuting_calls_changes_nothing(emitted: list[Call], expected: list[Call], random: object) -> None:
    tools = compile_tools(TOOLS)
    before = match_calls(emitted, expected, tools)
    random.shuffle(emitted)
    random.shuffle(expected)
    assert match_calls(emitted, expected, tools) == before


@given(calls, st.randoms(use_true_random=False))
def test_a_perfect_pairing_is_always_found(expected: list[Call], random: object) -> None:
    defaults = {"days": 1, "unit": "celsius"}
    emitted = [
        Call(
            call.name, {**(defaults if call.name == "get_weather" and random.random() < 0.5 else {}), **call.arguments}
        )
        for call in expected
    ]
    random.shuffle(emitted)
    assert match_calls(emitted, expected, compile_tools(TOOLS)).perfect


def test_a_default_in_other_case_is_a_stated_default_leniently() -> None:
    tools = compile_tools(TOOLS)
    stated, left_out = weather("Oslo", unit="Celsius"), weather("Oslo")
    assert not match_calls([stated], [left_out], tools).perfect
    lenient = match_calls([stated], [left_out], tools, lenient=True)
    assert lenient.perfect and lenient.pairs_emitted == lenient.pairs_expected == 1
