"""Values of another type: what an expected call, a default and a model's answer are read as."""

from __future__ import annotations

import math

import pytest

from fc_assets.calls.coercion import coerced_argument, coerced_default, number_in_text

# value, declared type, as an argument of an expected call, as a default
VALUES = [
    ("5", "integer", 5, 5),
    (" -5 ", "integer", -5, -5),
    ("5.0", "integer", "5.0", "5.0"),
    ("9" * 15, "integer", int("9" * 15), int("9" * 15)),
    ("9" * 16, "integer", "9" * 16, "9" * 16),
    ("5", "number", 5, 5.0),
    ("5.50", "number", 5.5, 5.5),
    ("1e3", "number", "1e3", "1e3"),
    ("0." + "1" * 15, "number", float("0." + "1" * 15), float("0." + "1" * 15)),
    ("0." + "1" * 16, "number", float("0." + "1" * 16), "0." + "1" * 16),
    ("TRUE", "boolean", True, True),
    ("yes", "boolean", "yes", "yes"),
    ("[1, 2]", "array", [1, 2], "[1, 2]"),
    ('{"a": 1}', "object", {"a": 1}, '{"a": 1}'),
    ("[1, 2", "array", "[1, 2", "[1, 2"),
    ("1, 2", "array", "1, 2", "1, 2"),
    (5, "string", "5", 5),
    (True, "string", True, True),
    ("5", "string", "5", "5"),
    ("5", ["integer", "null"], "5", "5"),
    ("5", None, "5", "5"),
    (5, "boolean", 5, 5),
    (None, "integer", None, None),
]


@pytest.mark.parametrize(("value", "kind", "argument", "default"), VALUES)
def test_only_another_spelling_is_coerced(value: object, kind: object, argument: object, default: object) -> None:
    schema = {} if kind is None else {"type": kind}
    for coerced, wanted in ((coerced_argument, argument), (coerced_default, default)):
        found = coerced(value, schema)
        assert (found, type(found)) == (wanted, type(wanted))


def test_numbers_in_text_are_those_that_python_reads() -> None:
    assert [number_in_text(text) for text in (" 5 ", "1e3", "-0.5", "five", "")] == [5, 1000, -0.5, None, None]
    assert math.isinf(number_in_text("inf") or 0)
