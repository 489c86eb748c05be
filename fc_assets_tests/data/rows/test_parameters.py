"""The parameters of a tool as JSON Schema: what is required, and the spellings of types that are not JSON Schema's."""

import json
from typing import Any

import jsonschema
import pytest

from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.tools import ReadTool, read_tool


def parameters(tool: dict[str, Any], **policy: Any) -> dict[str, Any]:
    return json.loads(read_tool({"name": "f", **tool}, **policy).json)["parameters"]


def required(flat: dict[str, Any], **more: Any) -> list[str]:
    return parameters({"parameters": flat, **more}).get("required", [])


TWO = {"a": {"type": "str"}, "b": {"type": "str"}}


def test_a_tool_that_lists_its_required_parameters_is_believed() -> None:
    assert required(TWO) == ["a", "b"], "nothing is said, so the policy decides"
    assert required(TWO, required=["b"]) == required({**TWO, "required": ["b"]}) == ["b"]
    assert required(TWO, required=[]) == []


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [(True, False, ["a"]), ("true", "False", ["a"]), (True, None, ["a"]), (False, None, ["b"]), (False, False, [])],
)
def test_a_parameter_that_says_whether_it_is_required_is_believed(first: Any, second: Any, wanted: list[str]) -> None:
    said = {"a": first, "b": second}
    flat = {name: part if said[name] is None else {**part, "required": said[name]} for name, part in TWO.items()}
    assert required(flat) == wanted
    assert "required" not in parameters({"parameters": flat})["properties"]["a"]


def test_a_default_does_not_make_optional_what_is_said_to_be_required() -> None:
    assert required({"a": {"type": "str", "default": "x", "required": True}}) == ["a"]


def test_a_parameter_may_be_called_required() -> None:
    flat = {"required": {"type": "bool"}, "a": {"type": "str"}}
    assert required(flat) == ["required", "a"]


def test_a_list_that_names_no_parameter_is_refused() -> None:
    with pytest.raises(RowRejectedError, match="required names no parameter: tool 'f' has no parameter 'c'"):
        required(TWO, required=["c"])


def test_types_as_the_leaderboard_spells_them() -> None:
    schema = {
        "type": "dict",
        "properties": {
            "ratio": {"type": "float", "description": "Ratio."},
            "size": {"type": "tuple", "items": {"type": "integer"}},
            "more": {"type": "dict", "properties": {"x": {"type": "any"}, "y": {"type": ["string", "null"]}}},
        },
        "required": ["ratio"],
    }
    found = parameters({"parameters": schema})
    assert found == {
        "type": "object",
        "properties": {
            "ratio": {"type": "number", "description": "Ratio."},
            "size": {"type": "array", "items": {"type": "integer"}},
            "more": {"type": "object", "properties": {"x": {}, "y": {"type": ["string", "null"]}}},
        },
        "required": ["ratio"],
    }
    jsonschema.Draft202012Validator.check_schema(found)


def test_a_type_without_a_meaning_is_counted_and_takes_any_value() -> None:
    tool = read_tool({"name": "f", "parameters": {"type": "dict", "properties": {"x": {"type": "HashMap"}}}})
    assert tool.unknown_types == ("HashMap",)
    assert json.loads(tool.json)["parameters"]["properties"] == {"x": {}}


def test_a_flat_parameter_may_list_its_types_or_hold_a_schema() -> None:
    flat = {
        "unit": {"type": ["string", "null"], "description": "Unit."},
        "place": {"type": "dict", "properties": {"city": {"type": "str"}}, "required": ["city"]},
        "tags": {"type": "array", "items": {"type": "str"}},
    }
    found = parameters({"parameters": flat})
    assert found["properties"] == {
        "unit": {"type": ["string", "null"], "description": "Unit."},
        "place": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "tags": {"type": "array", "items": {"type": "string"}},
    }
    assert found["required"] == ["unit", "place", "tags"]


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


@pytest.mark.parametrize("key", ["parameters", "inputSchema", "input_schema", "arguments"])
def test_a_schema_is_found_where_others_keep_it(key: str) -> None:
    assert parameters({key: SCHEMA}) == SCHEMA


def test_flat_parameters_may_stand_under_arguments() -> None:
    assert parameters({"arguments": {"a": {"type": "str"}}}) == SCHEMA


@pytest.mark.parametrize("key", ["args", "properties", "required_parameters"])
def test_parameters_in_another_place_are_refused_by_name(key: str) -> None:
    with pytest.raises(RowRejectedError, match=f"parameters under another name: tool 'f' has '{key}'"):
        read_tool({"name": "f", key: TWO})


def test_a_tool_without_parameters_is_one() -> None:
    assert read_tool({"name": "f", "returns": {"type": "str"}}) == ReadTool(
        "f", '{"name":"f","description":"","parameters":{"type":"object","properties":{}}}'
    )
