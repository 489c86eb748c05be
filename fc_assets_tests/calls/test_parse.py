"""Parsing: the table of docs/metrics.md, and that no text at all can make it raise or hang."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fc_assets.calls.call import Call
from fc_assets.calls.parse import MAX_CALLS, MAX_TEXT_CHARS, parse_lenient, parse_strict
from fc_assets.calls.prompts import answer_text

F1 = Call("f", {"a": 1})
BLOCK = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'

# text, strict calls, strict malformed, lenient calls, lenient malformed
CASES = {
    "one block": (BLOCK, [F1], 0, [F1], 0),
    "white space does not matter": ('<tool_call>{"name":"f",\n"arguments":{"a":1}}  </tool_call>', [F1], 0, [F1], 0),
    "two blocks": (BLOCK + "\n" + BLOCK, [F1, F1], 0, [F1, F1], 0),
    "prose around a block": (f"Sure. {BLOCK} Done.", [F1], 0, [F1], 0),
    "thinking is dropped": (f"<think>\nHm.\n</think>\n\n{BLOCK}", [F1], 0, [F1], 0),
    "a call in the thinking": (f"<think>\n{BLOCK}\n</think>\n\n{BLOCK}", [F1], 1, [F1], 0),
    "a call in the thinking, then words": (f"<think>\n{BLOCK}\n</think>\n\nNo.", [], 1, [], 0),
    "through the last end of thinking": (f"<think>a</think>{BLOCK}</think>done", [], 1, [F1], 0),
    "an end of thinking behind a call": (f"{BLOCK}</think>", [], 1, [F1], 0),
    "an end of thinking without a start": (f"hm</think>{BLOCK}", [F1], 0, [F1], 0),
    "thinking never closes": (f"<think>\n{BLOCK}", [], 1, [], 1),
    "prose": ("I cannot help with that.", [], 0, [], 0),
    "nothing": ("", [], 0, [], 0),
    "whole text is an object": ('{"name": "f", "arguments": {"a": 1}}', [F1], 0, [F1], 0),
    "whole text is a list": ('[{"name": "f", "arguments": {"a": 1}}]', [F1], 0, [F1], 0),
    "an empty list": ("[]", [], 0, [], 0),
    "JSON that is no call": ('{"answer": 42}', [], 0, [], 0),
    "half of a list is no call": ('[{"name": "f", "arguments": {"a": 1}}, 3]', [F1], 1, [F1], 1),
    "an attempt with bad arguments": ('{"name": "f", "arguments": 3}', [], 1, [], 1),
    "the block never closes": ('<tool_call>\n{"name": "f", "arguments": {"a": 1}}', [], 1, [], 1),
    "one block good, one cut": (BLOCK + "\n<tool_call>", [F1], 1, [F1], 1),
    "broken JSON": ('<tool_call>{"name": "f", "arguments": {"a": 1}</tool_call>', [], 1, [], 1),
    "a list in a block": ('<tool_call>[{"name": "f", "arguments": {}}]</tool_call>', [], 1, [], 1),
    "no arguments": ('<tool_call>{"name": "f"}</tool_call>', [], 1, [], 1),
    "name is no text": ('<tool_call>{"name": 1, "arguments": {}}</tool_call>', [], 1, [], 1),
    "arguments are a list": ('<tool_call>{"name": "f", "arguments": []}</tool_call>', [], 1, [], 1),
    "NaN": ('<tool_call>{"name": "f", "arguments": {"a": NaN}}</tool_call>', [], 1, [], 1),
    "a number beyond floats": ('<tool_call>{"name": "f", "arguments": {"a": 1e999}}</tool_call>', [], 1, [], 1),
    "a further key": ('<tool_call>{"name": "f", "arguments": {"a": 1}, "id": 3}</tool_call>', [], 1, [F1], 0),
    "a fence": ('<tool_call>\n```json\n{"name": "f", "arguments": {"a": 1}}\n```\n</tool_call>', [], 1, [F1], 0),
    "the whole text fenced": ('```json\n{"name": "f", "arguments": {"a": 1}}\n```', [], 0, [F1], 0),
    "a fence on one line": ('```{"name": "f", "arguments": {"a": 1}}```', [], 0, [F1], 0),
    "trailing commas": ('<tool_call>{"name": "f", "arguments": {"a": 1, },}</tool_call>', [], 1, [F1], 0),
    "a comma inside a string stays": (
        '<tool_call>{"name": "f", "arguments": {"a": ",}",}}</tool_call>',
        [],
        1,
        [Call("f", {"a": ",}"})],
        0,
    ),
    "Python literals": (
        "<tool_call>{'name': 'f', 'arguments': {'a': True, 'b': (1, None)}}</tool_call>",
        [],
        1,
        [Call("f", {"a": True, "b": [1, None]})],
        0,
    ),
    "a Python call is not run": ("<tool_call>{'name': 'f', 'arguments': dict(a=1)}</tool_call>", [], 1, [], 1),
    "a Python set": ("<tool_call>{'name': 'f', 'arguments': {'a': {1}}}</tool_call>", [], 1, [], 1),
    "arguments as text": ('<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}</tool_call>', [], 1, [F1], 0),
    "parameters for arguments": ('<tool_call>{"name": "f", "parameters": {"a": 1}}</tool_call>', [], 1, [F1], 0),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_calls_in_a_text(case: tuple) -> None:
    text, strict_calls, strict_malformed, lenient_calls, lenient_malformed = case
    strict, lenient = parse_strict(text), parse_lenient(text)
    assert (list(strict.calls), strict.malformed) == (strict_calls, strict_malformed)
    assert (list(lenient.calls), lenient.malformed) == (lenient_calls, lenient_malformed)


@given(st.text() | st.text(alphabet="<tool_cal>/{}[]\":,\\ \n'think0-`"))
def test_no_text_makes_parsing_raise(text: str) -> None:
    for wrapped in (text, f"<tool_call>{text}</tool_call>", f"<tool_call>{text}", f"```{text}"):
        parse_strict(wrapped)
        parse_lenient(wrapped)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


call = st.builds(Call, st.text(min_size=1, max_size=8), st.dictionaries(st.text(max_size=6), json_values, max_size=3))


@given(st.lists(call, max_size=3))
def test_what_the_renderer_writes_is_read_back(calls: list[Call]) -> None:
    assert list(parse_strict(answer_text(calls)).calls) == calls
    assert list(parse_lenient(answer_text(calls)).calls) == calls


def test_values_that_contain_the_tags_themselves() -> None:
    calls = (Call("f", {"a": "<think></tool_call>", "</think>": "<tool_call> < <b>"}),)
    assert parse_strict(answer_text(calls)).calls == calls


ADVERSARIAL = {
    "deep lists": "[" * 50_000 + "]" * 50_000,
    "deep objects": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "deep parentheses": "{" + "(" * 9_000,
    "unary operators": "[" + "-" * 9_000 + "1]",
    "a sum": "[" + "1+" * 4_900 + "1]",
    "open tags": "<tool_call>" * 15_000,
    "open and close tags": "<tool_call></tool_call>" * 8_000,
    "quotes": '{"' + '\\"' * 90_000,
    "commas": "{" + ",   " * 40_000,
    "fences": "```" * 60_000,
    "thoughts": "<think></think>" * 12_000,
    "a long integer": '{"name": "f", "arguments": {"a": ' + "9" * 100_000 + "}}",
    "beyond the limit": "x" * (MAX_TEXT_CHARS + 1),
}


@pytest.mark.parametrize("text", ADVERSARIAL.values(), ids=ADVERSARIAL)
@pytest.mark.parametrize("in_block", [False, True])
def test_hostile_text_costs_little_time(text: str, in_block: bool) -> None:
    text = f"<tool_call>{text}</tool_call>" if in_block else text
    start = time.process_time()
    for parse in (parse_strict, parse_lenient):
        assert not parse(text).calls
    assert time.process_time() - start < 1.0


def test_limits_are_parse_failures() -> None:
    assert parse_strict(BLOCK + " " * MAX_TEXT_CHARS).malformed == 1
    nested = '{"name": "f", "arguments": {"a": ' + "[" * 40 + "]" * 40 + "}}"
    assert parse_strict(f"<tool_call>{nested}</tool_call>").malformed == 1
    many = parse_strict(BLOCK * (MAX_CALLS + 3))
    assert (len(many.calls), many.malformed) == (MAX_CALLS, 3)
