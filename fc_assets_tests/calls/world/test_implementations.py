"""The embedded tools run: each as its catalogue entry says, the same everywhere, and whatever it is called with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fc_assets.calls.call import Call, calls_from_json
from fc_assets.calls.tools.execution import run_call, runs_in_world
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.calls.world.implementations import IMPLEMENTATIONS
from fc_assets.calls.world.state import Start, World
from fc_assets.data.rows.normalise import normalise_row
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.catalogue import TOOLS
from fc_assets.data.sources.generator import generate_rows

EXAMPLES = [normalise_row(row, ToolReader()) for row in generate_rows(1500, 3)]

HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**400, -(10**30), 1e308, float("inf"), float("nan"), 1e-20),
    *("", "\ud800", "x" * 100_000, "Paris", [], [None] * 10_000, [[[]]], ["\udfff"], {}, {"city": {"city": {}}}),
)
VALUES = st.sampled_from(HOSTILE) | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers())


def test_every_tool_of_the_catalogue_runs_and_no_other_exists() -> None:
    assert {tool.name for tool in TOOLS} == set(IMPLEMENTATIONS)


def test_what_the_generator_expects_runs_without_an_error() -> None:
    called = set()
    for example in EXAMPLES:
        tools, calls = compile_tools(example.tools), calls_from_json(example.calls)
        assert runs_in_world(calls, tools) is bool(calls)
        world = World(Start())
        for call in calls:
            result = run_call(call, tools, world)
            assert "error" not in result, (call, result)
            called.add(call.name)
    assert called == set(IMPLEMENTATIONS)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_arguments_crash_a_tool_or_reach_the_world_through_a_refusal(name: str, data: st.DataObject) -> None:
    tool, world = IMPLEMENTATIONS[name], World(Start())
    names = st.sampled_from([*tool.types, "further"])
    arguments = data.draw(st.dictionaries(names, VALUES, max_size=5))
    before = world.snapshot()
    result = tool.run(world, arguments)
    json.dumps(result, allow_nan=False)
    if "error" in result:
        assert world.snapshot() == before


def test_facts_depend_on_the_start_alone() -> None:
    arguments = {"city": "Paris"}
    weather = IMPLEMENTATIONS["get_weather"]
    found = [weather.run(World(Start(seed)), arguments) for seed in (1, 1, 2)]
    assert found[0] == found[1] == {"city": "Paris", "degrees": 21, "unit": "celsius"}
    assert found[2] != found[0]


def test_what_cannot_be_had_is_refused_with_what_can() -> None:
    world = World(Start(unavailable={"Paris": "Lyon"}))
    hotel = IMPLEMENTATIONS["book_hotel"]
    assert hotel.run(world, {"city": "Paris", "nights": 2}) == {"error": "not available", "available": "Lyon"}
    assert hotel.run(world, {"city": "Lyon", "nights": 2}) == {"city": "Lyon", "nights": 2, "guests": 1}


def test_the_order_of_calls_matters_where_it_matters_in_the_world() -> None:
    dark = Call("set_light", {"room": "attic", "brightness": 5})
    bright = Call("set_light", {"room": "attic", "brightness": 90})
    message = Call("send_message", {"recipient": "Bob", "subject": "chess"})

    def after(*calls: Call) -> str:
        world = World(Start())
        for call in calls:
            IMPLEMENTATIONS[call.name].run(world, call.arguments)
        return world.snapshot()

    assert after(dark, bright) != after(bright, dark)
    assert after(dark, message) == after(message, dark)
    assert after(message, message) != after(message)


def test_a_tool_of_the_same_name_with_another_signature_does_not_run() -> None:
    signature = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    other = compile_tools([{"name": "get_weather", "description": "", "parameters": signature}])
    assert not runs_in_world([Call("get_weather", {"city": "Paris"})], other)
    assert run_call(Call("get_weather", {"city": "Paris"}), other, World(Start())) == {"error": "no such function"}
