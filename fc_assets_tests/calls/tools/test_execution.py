"""Exec rate: for tools that run, what came of the calls; for the others, what their stubs check."""

from __future__ import annotations

from typing import Any

import pytest

from fc_assets.calls.call import Call
from fc_assets.calls.metrics import aggregate, score_row
from fc_assets.calls.prompts import answer_text
from fc_assets.calls.tools.execution import same_effect
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.data.rows.tools import ToolReader, join_tools
from fc_assets.data.sources.catalogue import TOOLS
from fc_assets.data.sources.generator import xlam_tool
from fc_assets_tests.support.tools import TOOLS as STUBS
from fc_assets_tests.support.tools import WEIGHTS, weather

RUNNING = join_tools(ToolReader().read([xlam_tool(tool) for tool in TOOLS])).json
ROME, OSLO = Call("book_hotel", {"city": "Rome", "nights": 3}), Call("book_hotel", {"city": "Oslo", "nights": 3})
DARK = Call("set_light", {"room": "attic", "brightness": 5})
BRIGHT = Call("set_light", {"room": "attic", "brightness": 90})

SAME = {
    "the same": ([ROME], [ROME], True),
    "a stated default": ([Call("book_hotel", {**ROME.arguments, "guests": 1})], [ROME], True),
    "another value, though the schema holds": ([OSLO], [ROME], False),
    "a call too many": ([ROME, ROME], [ROME], False),
    "a call too few": ([ROME], [ROME, OSLO], False),
    "swapped where it does not matter": ([OSLO, ROME], [ROME, OSLO], True),
    "swapped where it matters": ([BRIGHT, DARK], [DARK, BRIGHT], False),
    "a refusal": ([Call("book_hotel", {"city": "Rome", "nights": -3})], [ROME], False),
    "a tool that is not there": ([Call("nope", {})], [ROME], False),
    "a question answered otherwise": ([Call("add_numbers", {"a": 1, "b": 3})], [Call("add_numbers", {"a": 2, "b": 3})],
                                      False),
}  # fmt: skip


@pytest.mark.parametrize("emitted, expected, same", SAME.values(), ids=SAME)
def test_the_effect_of_calls(emitted: list[Call], expected: list[Call], same: bool) -> None:
    assert same_effect(emitted, expected, compile_tools(RUNNING)) is same
    row = score_row(answer_text(emitted), RUNNING, expected, "", WEIGHTS)
    assert (row.exec_ok, row.exec_ok_world, row.exec_ok_stub) == (same, same, 0)
    assert (row.expects_world, row.expects_stub) == (1, 0)


def test_rows_with_tools_that_run_and_with_stubs_are_named_apart() -> None:
    wrong_value = [
        score_row(answer_text([OSLO]), RUNNING, [ROME], "", WEIGHTS),
        score_row(answer_text([weather("A")]), STUBS, [weather("B")], "", WEIGHTS),
    ]
    found = aggregate(wrong_value)
    assert (found["exec_rate"], found["exec_rate_world"], found["exec_rate_stub"]) == (0.5, 0, 1)
    assert aggregate(wrong_value[1:])["exec_rate_world"] is None


LIMITED: dict[str, Any] = {
    "name": "meet",
    "description": "",
    "parameters": {
        "type": "object",
        "properties": {
            "date": {"type": "string", "format": "date"},
            "mail": {"type": "string", "format": "email"},
            "people": {"type": "integer", "minimum": 1, "maximum": 8},
            "code": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "slots": {"type": "array", "uniqueItems": True},
        },
        "required": ["date"],
    },
}


@pytest.mark.parametrize(
    "arguments, executes",
    [
        ({"date": "2026-02-28"}, True),
        ({"date": "2026-02-30"}, False),
        ({"date": "tomorrow"}, False),
        ({"date": "2026-02-28", "mail": "nobody"}, False),
        ({"date": "2026-02-28", "people": 9}, False),
        ({"date": "2026-02-28", "people": 8}, True),
        ({"date": "2026-02-28", "code": "abc"}, False),
        ({"date": "2026-02-28", "slots": [1, 1]}, False),
        ({"date": "\ud800"}, False),
    ],
)
def test_a_stub_checks_formats_ranges_and_dates(arguments: dict[str, Any], executes: bool) -> None:
    tools = compile_tools([LIMITED])
    assert tools.executes(Call("meet", arguments)) is executes
    row = score_row(answer_text([Call("meet", arguments)]), [LIMITED], [Call("meet", arguments)], "", WEIGHTS)
    assert (row.exec_ok, row.exec_ok_stub) == (executes, executes)
