"""Raw rows to examples: every quirk of the source, and that nothing is lost without a reason."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fc_assets.data.rows.normalise import FLAG_REPEATED_KEY, Example, normalise_row
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.tools import FLAG_CONTROL_TEXT, FLAG_DUPLICATE_TOOLS, FLAG_UNKNOWN_TYPE, ToolReader, read_tool

FLAT = {"name": "weather", "description": "Weather.", "parameters": {"city": {"type": "str", "description": "City."}}}
ROW = {
    "id": 7,
    "query": "Weather in Zürich?",
    "answers": '[{"name": "weather", "arguments": {"city": "Zürich"}}]',
    "tools": json.dumps([FLAT]),
}


def _example(**changes: object) -> Example:
    row = {**ROW, **changes}
    return normalise_row({key: value for key, value in row.items() if value != "absent"}, ToolReader(), source="test")


def _parameters(tool: dict[str, Any], **policy: Any) -> dict[str, Any]:
    return json.loads(read_tool(tool, **policy).json)["parameters"]


def test_a_row():
    example = _example()
    assert (example.id, example.query, example.source) == ("7", "Weather in Zürich?", "test")
    assert json.loads(example.calls) == [{"name": "weather", "arguments": {"city": "Zürich"}}]
    assert json.loads(example.tools) == [
        {
            "name": "weather",
            "description": "Weather.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "City."}},
                "required": ["city"],
            },
        }
    ]


def test_values_may_be_objects_instead_of_texts():
    answers, tools = json.loads(ROW["answers"]), [FLAT]
    assert _example(answers=answers, tools=tools) == _example()
    assert _example(answers=answers[0]) == _example()
    assert _example(answers=[{"name": "weather", "arguments": '{"city": "Zürich"}'}]) == _example()


def test_a_whole_number_that_a_table_made_a_float_is_the_id_that_it_was():
    assert [_example(id=value).id for value in (7, 7.0, 7.5, "7")] == ["7", "7", "7.5", "7"]
    row = {**ROW, "id": float("nan")}
    assert normalise_row(row, ToolReader(), fallback_id="row-1").id == "row-1"


def test_a_key_that_is_there_twice_is_flagged():
    twice = '[{"name": "weather", "arguments": {"city": "Oslo", "city": "Rome"}}]'
    example = _example(answers=twice)
    assert example.flags == (FLAG_REPEATED_KEY,)
    assert json.loads(example.calls)[0]["arguments"] == {"city": "Rome"}
    assert _example(tools=ROW["tools"].replace('"type"', '"type": "int", "type"')).flags == (FLAG_REPEATED_KEY,)
    assert _example().flags == ()


def test_parallel_calls_keep_their_order():
    calls = [{"name": "weather", "arguments": {"city": city}} for city in ("Oslo", "Rome", "Oslo")]
    assert json.loads(_example(answers=json.dumps(calls)).calls) == calls


def test_no_call_and_no_parameters():
    assert _example(answers="[]").calls == "[]"
    assert _parameters({"name": "now", "parameters": {}}) == {"type": "object", "properties": {}}
    assert _parameters({"name": "now"}) == {"type": "object", "properties": {}}


def test_mcp_and_openai_tools():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    expected = {"name": "weather", "description": "W", "parameters": schema}
    openai = {"name": "weather", "description": "W", "parameters": schema}
    for tool in (
        openai,
        {"type": "function", "function": openai},
        {"name": "weather", "description": "W", "inputSchema": schema, "annotations": {"readOnlyHint": True}},
    ):
        assert json.loads(read_tool(tool).json) == expected
    listed = {"tools": [{"name": "weather", "description": "W", "inputSchema": schema}], "nextCursor": "x"}
    assert json.loads(_example(tools=listed).tools) == [expected]


def test_parameters_called_type_and_properties():
    flat = {"type": {"type": "str", "description": "Kind."}, "properties": {"type": "List[str]", "description": "P."}}
    assert _parameters({"name": "f", "parameters": flat})["properties"] == {
        "type": {"type": "string", "description": "Kind."},
        "properties": {"type": "array", "items": {"type": "string"}, "description": "P."},
    }
    assert _parameters({"name": "f", "parameters": {"type": {"type": "str"}}})["properties"] == {
        "type": {"type": "string"}
    }


def test_required_policy():
    parameters = {
        "a": {"type": "str"},
        "b": {"type": "str, optional"},
        "c": {"type": "int", "default": "5"},
        "d": {"type": "str", "default": ""},
    }
    tool = {"name": "f", "parameters": parameters}
    assert _parameters(tool)["required"] == ["a", "d"]
    assert _parameters(tool, policy="all")["required"] == ["a", "b", "c", "d"]
    assert "required" not in _parameters(tool, policy="none")


@pytest.mark.parametrize(
    ("kind", "default", "kept"),
    [
        ("int", "5", 5),
        ("float", "0.5", 0.5),
        ("bool", "True", True),
        ("bool", False, False),
        ("int", 0, 0),
        ("int", "five", "five"),
        ("str", "5", "5"),
        ("int", "1" * 40, "1" * 40),
        ("int, default 3", None, 3),
    ],
)
def test_defaults_take_their_type(kind: str, default: object, kept: object):
    part = _parameters({"name": "f", "parameters": {"x": {"type": kind, "default": default}}})["properties"]["x"]
    assert part["default"] == kept
    assert type(part["default"]) is type(kept)


def test_duplicate_tools():
    twice = _example(tools=[FLAT, FLAT])
    assert len(json.loads(twice.tools)) == 1
    assert twice.flags == (FLAG_DUPLICATE_TOOLS,)
    other = {**FLAT, "description": "Another."}
    assert len(json.loads(_example(tools=[FLAT, other]).tools)) == 2


def test_unknown_types_are_flagged_and_counted():
    reader = ToolReader()
    tool = {"name": "weather", "parameters": {"city": {"type": "Town"}}}
    for tools in ([tool], json.dumps([tool]), json.dumps([tool])):
        assert normalise_row({**ROW, "tools": tools}, reader).flags == (FLAG_UNKNOWN_TYPE,)
    assert reader.unknown_types == {"Town": 3}


def test_large_integers_survive():
    big = 123456789012345678901234567890
    row = {**ROW, "answers": f'[{{"name": "weather", "arguments": {{"city": {big}}}}}]'}
    assert json.loads(normalise_row(row, ToolReader()).calls)[0]["arguments"]["city"] == big


def test_an_absent_id_is_made():
    assert normalise_row({**ROW, "id": None}, ToolReader(), fallback_id="file-3").id == "file-3"


MARKED = {"name": "a<|im_start|>", "description": "", "parameters": {}}
MARKED_ANSWER = "control text in an expected answer"


@pytest.mark.parametrize(
    "changes",
    [
        {"query": "Rome<|im_end|>\n<|im_start|>assistant"},
        {"query": "</tool_response>"},
        {"tools": [FLAT, MARKED]},
        {"tools": [{**FLAT, "description": "\\u003cthink\\u003e <think>"}]},
    ],
)
def test_text_that_looks_like_a_mark_of_the_template_is_flagged(changes: dict):
    assert _example(**changes).flags == (FLAG_CONTROL_TEXT,)
    assert _example(query="a <b> |im_end|> <im_end>").flags == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"query": "absent"}, "no query"),
        ({"query": "  "}, "query is empty or not text"),
        ({"query": 5}, "query is empty or not text"),
        ({"query": "\ud800"}, "query is not Unicode"),
        ({"tools": "absent"}, "no tools"),
        ({"tools": "[]"}, "no tools"),
        ({"tools": ""}, "tools are empty"),
        ({"tools": "{"}, "tools are not JSON"),
        ({"tools": '"weather"'}, "tools are not a list"),
        ({"tools": ["weather"]}, "tool is not an object"),
        ({"tools": [{"parameters": {}}]}, "tool without a name"),
        ({"tools": [{**FLAT, "parameters": "city"}]}, "parameters are not an object"),
        ({"tools": [{**FLAT, "parameters": {"city": "str"}}]}, "parameter is not an object"),
        ({"tools": [{**FLAT, "parameters": {"city": {"type": 5}}}]}, "parameter type is not text"),
        ({"tools": [{"name": "f", "inputSchema": {"type": 5}}]}, "parameters are no valid JSON Schema"),
        ({"tools": [FLAT] * 300}, "too many tools"),
        ({"answers": "absent"}, "no answers"),
        ({"answers": "[{'name': 'weather'}]"}, "answers are not JSON"),
        ({"answers": '{"city": "Rome"}'}, "call without a name"),
        ({"answers": '[{"name": "weather", "arguments": "Rome"}]'}, "arguments are not JSON"),
        ({"answers": '[{"name": "weather", "arguments": ["Rome"]}]'}, "arguments are not an object"),
        ({"answers": '[{"name": "rain", "arguments": {}}]'}, "call of a tool that is not offered"),
        ({"answers": [{"name": "weather", "arguments": {}}] * 65}, "too many calls"),
        ({"answers": "[" * 40 + "]" * 40}, "answers are nested too deeply"),
        ({"id": ["a"]}, "id is neither text nor a number"),
        ({"answers": '[{"name": "weather", "arguments": {"city": "R\\u003c|im_end|>"}}]'}, MARKED_ANSWER),
        ({"answers": [{"name": "weather", "arguments": {"<tool_call>": 1}}]}, MARKED_ANSWER),
        ({"tools": [MARKED], "answers": [{"name": MARKED["name"], "arguments": {}}]}, MARKED_ANSWER),
    ],
)
def test_what_cannot_be_read_has_a_reason(changes: dict, reason: str):
    with pytest.raises(RowRejectedError) as caught:
        _example(**changes)
    assert caught.value.reason == reason


def test_a_row_that_is_no_object():
    with pytest.raises(RowRejectedError, match="row is not an object"):
        normalise_row([], ToolReader())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PARAMETER = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["str", "int, optional", "List[int]", "object", "Foo", ""]) | JSON,
        "description": JSON,
        "default": JSON,
        "enum": JSON,
    },
)
PARAMETERS = st.dictionaries(st.sampled_from(["type", "properties", "required", "city", "$ref"]), PARAMETER | JSON)
TOOL = st.fixed_dictionaries({"name": st.sampled_from(["weather", "", "f"]) | JSON, "parameters": PARAMETERS | JSON})
CALL = st.fixed_dictionaries({"name": st.sampled_from(["weather", "f"]) | JSON, "arguments": JSON})
ROWS = st.fixed_dictionaries(
    {
        "id": JSON,
        "query": st.text(max_size=10) | JSON,
        "tools": st.lists(TOOL | JSON, max_size=3) | JSON,
        "answers": st.lists(CALL | JSON, max_size=3) | JSON,
    }
)


@given(ROWS, st.booleans())
def test_any_row_becomes_a_valid_example_or_has_a_reason(row: dict, as_text: bool):
    if as_text:
        row = {key: json.dumps(value) if key in ("tools", "answers") else value for key, value in row.items()}
    try:
        example = normalise_row(row, ToolReader())
    except RowRejectedError as error:
        assert error.reason
        return
    tools, calls = json.loads(example.tools), json.loads(example.calls)
    assert example.query.strip()
    for tool in tools:
        assert list(tool) == ["name", "description", "parameters"]
        jsonschema.Draft202012Validator.check_schema(tool["parameters"])
    assert {call["name"] for call in calls} <= {tool["name"] for tool in tools}
    assert all(isinstance(call["arguments"], dict) for call in calls)
