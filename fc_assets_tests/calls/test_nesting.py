"""The bound on depth: the outermost counts, empty ones count, and both readers of untrusted data keep to it."""

from __future__ import annotations

import json

import pytest

from fc_assets.calls.nesting import MAX_DEPTH, nested_too_deeply
from fc_assets.calls.parse import parse_strict
from fc_assets.data.rows.normalise import as_calls, normalise_row
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.tools import ToolReader


def lists(depth: int, innermost: object = None) -> object:
    """`depth` lists, each in the next; the innermost holds a value or is empty."""
    value: object = [] if innermost is None else [innermost]
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize("innermost", [None, 1])
def test_lists_and_objects_are_counted(innermost: object) -> None:
    assert not nested_too_deeply(lists(MAX_DEPTH, innermost))
    assert nested_too_deeply(lists(MAX_DEPTH + 1, innermost))
    assert not nested_too_deeply({"a": lists(2, innermost)}, limit=3)
    assert nested_too_deeply({"a": lists(3, innermost)}, limit=3)


def test_a_value_has_no_depth() -> None:
    assert not nested_too_deeply("text", limit=0)
    assert nested_too_deeply([], limit=0)


@pytest.mark.parametrize("innermost", [None, 1])
def test_a_models_call_may_be_as_deep_as_the_bound(innermost: object) -> None:
    def malformed(depth: int) -> int:
        call = {"name": "f", "arguments": {"a": lists(depth, innermost)}}
        return parse_strict(f"<tool_call>{json.dumps(call)}</tool_call>").malformed

    assert malformed(MAX_DEPTH - 2) == 0  # the call and its arguments are two levels
    assert malformed(MAX_DEPTH - 1) == 1


@pytest.mark.parametrize("innermost", [None, 1])
@pytest.mark.parametrize("as_text", [True, False])
def test_a_row_may_be_as_deep_as_the_bound(innermost: object, as_text: bool) -> None:
    def row(depth: int) -> dict[str, object]:
        answers = [{"name": "f", "arguments": {"a": lists(depth, innermost)}}]
        return {"query": "q", "tools": [{"name": "f"}], "answers": json.dumps(answers) if as_text else answers}

    deepest = MAX_DEPTH - 3  # the list, the call and its arguments are three levels
    assert json.loads(normalise_row(row(deepest), ToolReader()).calls) == json.loads(
        as_calls([{"name": "f", "arguments": {"a": lists(deepest, innermost)}}], ["f"])
    )
    with pytest.raises(RowRejectedError, match="answers are nested too deeply"):
        normalise_row(row(deepest + 1), ToolReader())
