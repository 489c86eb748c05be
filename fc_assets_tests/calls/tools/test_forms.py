"""One reader for all forms of a tool: what the calls room and the data room see is the same."""

from __future__ import annotations

import json

import pytest

from fc_assets.calls.tools.forms import listed_tools, read_form, tools_from_json
from fc_assets.data.rows.tools import read_tool

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "weather", "description": "Of a city.", "parameters": SCHEMA}
LISTED = {"name": "weather", "title": "Weather", "description": "Of a city.", "inputSchema": SCHEMA}
FORMS = {
    "a function": (FUNCTION, False),
    "wrapped as OpenAI does": ({"type": "function", "function": FUNCTION}, False),
    "as an MCP server lists it": (LISTED, True),
    "an MCP tool in a wrapper": ({"type": "function", "function": LISTED}, True),
}


@pytest.mark.parametrize(("tool", "is_schema"), FORMS.values(), ids=FORMS)
def test_every_form_is_the_same_function(tool: dict[str, object], is_schema: bool) -> None:
    assert read_form(tool) == (FUNCTION, is_schema)
    assert tools_from_json(json.dumps([tool])) == [FUNCTION]
    assert json.loads(read_tool(tool).json) == FUNCTION


def test_what_a_tool_lacks_is_not_made_up() -> None:
    assert read_form({"name": "now"}).function == {"name": "now"}
    assert read_form({"name": "now", "inputSchema": {}}).function == {"name": "now", "parameters": {}}


def test_a_schema_is_schema_is_never_taken_for_flat_parameters() -> None:
    schema = {"additionalProperties": {"type": "integer"}}
    read = json.loads(read_tool({"name": "f", "inputSchema": schema}).json)
    assert read["parameters"] == {"type": "object", "properties": {}, **schema}


def test_the_whole_result_of_a_listing_is_its_list() -> None:
    assert listed_tools({"tools": [LISTED], "nextCursor": "x"}) == [LISTED]
    assert listed_tools([LISTED]) == [LISTED]
    assert listed_tools({"tools": "none"}) == {"tools": "none"}
