"""Validation against the closed schema, and what the stubs accept."""

from __future__ import annotations

import inspect
import time
from typing import Any

import pytest

from fc_assets.calls.call import Call
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.errors import FcAssetsError
from fc_assets_tests.support.tools import BOOK, TOOLS, WEATHER, weather

# arguments of `book`, validates, executes on the stub
BOOKINGS: list[tuple[dict[str, Any], bool, bool]] = [
    ({"type": "round", "seats": 2}, True, True),
    ({"type": "round", "seats": 2.5, "dates": ["May"], "guest": {"name": "A", "age": 3.0}}, True, True),
    ({"type": "round"}, False, False),
    ({"type": "round", "seats": "2"}, False, False),
    ({"type": "round", "seats": True}, False, False),
    ({"type": None, "seats": 2}, False, False),
    ({"type": "round", "seats": 2, "smoking": False}, False, False),
    ({"type": "round", "seats": 0}, False, False),
    ({"type": "round", "seats": 2, "dates": [1]}, False, True),  # what is nested is checked by the schema
    ({"type": "round", "seats": 2, "guest": {"title": "Dr"}}, False, True),
    ({"type": "round", "seats": 10**400}, True, True),
]


@pytest.mark.parametrize("arguments, validates, executes", BOOKINGS)
def test_a_booking(arguments: dict[str, Any], validates: bool, executes: bool) -> None:
    tools = compile_tools(TOOLS)
    assert tools.validates(Call("book", arguments)) is validates
    assert tools.executes(Call("book", arguments)) is executes


def test_a_lone_surrogate_is_no_choice_of_an_enum() -> None:
    assert not compile_tools(TOOLS).validates(weather(unit="\ud800"))


def test_a_tool_that_is_not_offered_neither_validates_nor_executes() -> None:
    tools = compile_tools([WEATHER])
    assert not tools.validates(Call("book", {})) and not tools.executes(Call("book", {}))


def test_the_stub_has_a_signature_and_echoes_with_defaults() -> None:
    stub = compile_tools([WEATHER]).first("get_weather").stub
    assert isinstance(stub.signature, inspect.Signature)
    assert stub({"city": "Paris", "unit": "fahrenheit"}) == {
        "name": "get_weather",
        "arguments": {"city": "Paris", "days": 1, "unit": "fahrenheit"},
    }
    assert not stub.binds({"city": "Paris", "unit": "kelvin"})


def test_names_that_python_does_not_allow() -> None:
    properties = {
        key: {"type": "integer"} for key in ("class", "user-id", "argument_0", "self", "further_arguments", "")
    }
    tools = compile_tools([{"name": "t", "parameters": {"properties": properties, "required": ["class", "user-id"]}}])
    everything = dict.fromkeys(properties, 1)
    assert tools.first("t").stub(everything)["arguments"] == everything
    assert not tools.executes(Call("t", {"class": 1}))


def test_a_tool_that_takes_further_arguments() -> None:
    tools = compile_tools(
        [{"name": "t", "parameters": {"properties": {}, "additionalProperties": {"type": "integer"}}}]
    )
    assert tools.validates(Call("t", {"x": 1})) and tools.executes(Call("t", {"x": 1}))
    assert not tools.validates(Call("t", {"x": "1"}))


def test_text_is_never_executed(tmp_path: Any) -> None:
    witness = tmp_path / "witness"
    code = f"__import__('pathlib').Path({str(witness)!r}).touch()"
    tools = compile_tools([{"name": code, "parameters": {"properties": {code: {"default": code}}}}])
    assert tools.executes(Call(code, {code: code}))
    assert not witness.exists()


def test_the_same_name_offered_twice_counts_if_either_takes_the_call() -> None:
    tools = compile_tools(
        [WEATHER, {"name": "get_weather", "parameters": {"properties": {"zip": {"type": "integer"}}}}]
    )
    assert tools.validates(weather()) and tools.validates(Call("get_weather", {"zip": 1}))
    assert not tools.validates(Call("get_weather", {"zip": 1, "city": "Paris"}))


def test_wrapped_tools_are_read_too() -> None:
    assert "book" in compile_tools([{"type": "function", "function": BOOK}])


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "dict"},
        {"properties": {"a": {"$ref": "http://example.com/schema.json"}}},
        {"properties": {"a": {"pattern": "("}}},
        {"properties": {"a": {"minimum": "1"}}},
    ],
)
def test_a_broken_schema_is_an_error_that_names_the_tool(parameters: dict[str, Any]) -> None:
    with pytest.raises(FcAssetsError, match="'broken'"):
        compile_tools([{"name": "broken", "parameters": parameters}])


def test_a_tool_without_a_name_is_an_error() -> None:
    with pytest.raises(FcAssetsError, match="name"):
        compile_tools([{"parameters": {}}])


def test_a_pattern_of_the_data_cannot_blow_up() -> None:
    evil = {"name": "t", "parameters": {"properties": {"a": {"type": "string", "pattern": "^(?=a)(a+)+$"}}}}
    tools = compile_tools([evil])
    start = time.process_time()
    assert not tools.validates(Call("t", {"a": "a" * 5000 + "b"}))
    assert time.process_time() - start < 1
