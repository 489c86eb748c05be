"""Rows to pick from, and tools in the forms in which people have them."""

import json
from pathlib import Path

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.playground import examples
from fc_assets_tests.support.evaluation_world import ROWS

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
XLAM = {"name": "weather", "description": "", "parameters": {"city": {"type": "str", "description": ""}}}


@pytest.mark.parametrize(
    "given",
    [
        [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}],
        [{"name": "weather", "parameters": SCHEMA}],
        {"name": "weather", "parameters": SCHEMA},
        {"tools": [{"name": "weather", "inputSchema": SCHEMA}]},
        [{"name": "weather", "input_schema": SCHEMA}],
        [XLAM],
    ],
    ids=["openai", "function", "one function", "mcp", "anthropic", "xlam"],
)
def test_tools_of_every_form_become_the_projects_own(given: object) -> None:
    (tool,) = examples.read_tools(json.dumps(given))
    assert tool["name"] == "weather" and tool["parameters"]["properties"]["city"]["type"] == "string"
    assert tool["parameters"]["required"] == ["city"]


def test_no_text_is_no_tool() -> None:
    assert examples.read_tools(" \n") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{", "the tools must be JSON"),
        ("3", "The tools cannot be used: tools are not a list"),
        ('[{"name": 3}]', "The tools cannot be used: tool without a name"),
        ('[{"name": "a", "parameters": {"type": "object", "properties": {"b": {"type": 3}}}}]', "no valid JSON Schema"),
    ],
)
def test_tools_that_cannot_be_read_are_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(FcAssetsError, match=said):
        examples.read_tools(text)


def test_rows_of_the_newest_split_can_be_picked(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    found = examples.examples(store)
    assert len(found) == ROWS and found[1] == {
        "id": "row-1",
        "question": "Please lift 1.",
        "tools": found[0]["tools"],
        "expected": [{"name": "lift", "arguments": {"n": 1}}],
    }
    assert found[0]["expected"] == []
    monkeypatch.setattr(examples, "MOST", 10)
    assert len(examples.examples(store)) == 10


def test_a_home_without_a_split_has_none(tmp_path: Path) -> None:
    assert examples.examples(ArtifactStore(tmp_path / "other")) == []
