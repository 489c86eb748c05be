"""A schema of a few kilobytes that unfolds to 2^40 parts is quarantined with its reason, at once."""

from __future__ import annotations

import json
import time

import pytest

from fc_assets.calls.nesting import unfolds_too_far
from fc_assets.data.rows.normalise import normalise_row
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.tools import ToolReader


def doubled(levels: int) -> dict:
    """Each definition names the next one twice."""
    two = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(levels)}
    defs = {**two, f"d{levels}": {"type": "string"}}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": defs}


def row(schema: dict) -> dict:
    tool = {"name": "f", "description": "d", "parameters": schema}
    return {"id": "1", "query": "q", "tools": json.dumps([tool]), "answers": '[{"name": "f", "arguments": {"a": "x"}}]'}


@pytest.mark.parametrize("levels", [14, 40, 200])
def test_it_is_quarantined(levels: int) -> None:
    began = time.monotonic()
    with pytest.raises(RowRejectedError, match="schema unfolds too far"):
        normalise_row(row(doubled(levels)), ToolReader())
    assert time.monotonic() - began < 1


def test_a_recursive_type_and_a_shared_one_are_fine() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#/$defs/t"}, "right": {"$ref": "#/$defs/t"}}}
    schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/t"}, "b": {"$ref": "#"}}, "$defs": {"t": tree}}
    assert not unfolds_too_far(schema)
    assert not unfolds_too_far(doubled(8))
    schema = {"type": "object", "properties": {"a": {"$ref": "#/properties/b/anyOf/1"}, "b": {"anyOf": [{}, {}]}}}
    assert not unfolds_too_far(schema)
    assert not unfolds_too_far({"$ref": "#/nowhere/7"})


def test_a_long_chain_of_deep_definitions_ends_without_an_error_of_pythons() -> None:
    def deep(reference: str) -> dict:
        part: dict = {"$ref": reference}
        for _ in range(12):
            part = {"type": "object", "properties": {"a": part}}
        return part

    chain = {f"d{n}": deep(f"#/$defs/d{n + 1}") for n in range(100)}
    assert unfolds_too_far({"$ref": "#/$defs/d0", "$defs": {**chain, "d100": {"type": "string"}}})
