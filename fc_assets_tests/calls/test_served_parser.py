"""What the served engine would execute beside what is counted: vLLM's own tool parser, streaming and not.

An answer that counts as silence must be one of which the server executes nothing; calls that are read from blocks
without a fault are those that it executes. The other way round the reading is stricter than the server, on purpose.
"""

from __future__ import annotations

import json
import random
from types import SimpleNamespace
from typing import Any

import pytest
from transformers import AutoTokenizer

from fc_assets.calls.parse import parse_strict
from fc_assets.profiles import EMBEDDED, load_profile

pytestmark = [pytest.mark.slow, pytest.mark.vllm]

CALL = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'
ANSWERS = {
    "one call": CALL,
    "two calls": f"{CALL}\n{CALL}",
    "words around a call": f"Sure. {CALL} Done.",
    "words": "None of the functions can do that.",
    "an end of thinking behind a call": f"{CALL}</think>",
    "an end of thinking before a call": f"Hm.</think>{CALL}",
    "a call in the thinking": f"<think>\n{CALL}\n</think>\nNo.",
    "a call behind the thinking": f"<think>\nHm.\n</think>\n\n{CALL}",
    "thinking that stays open": f"<think>\n{CALL}",
    "a fence": '```json\n{"name": "f", "arguments": {}}\n```',
    "a fence in a block": '<tool_call>\n```json\n{"name": "f", "arguments": {}}\n```\n</tool_call>',
    "JSON alone": '{"name": "f", "arguments": {}}',
    "a block that stays open": '<tool_call>\n{"name": "f", "arguments": {"a": 1}}',
    "a block that is cut": '<tool_call>\n{"name": "f", "arguments": {"a": ',
    "a good and a broken block": f"{CALL}<tool_call>oops</tool_call>",
    "a Python literal": "<tool_call>{'name': 'f', 'arguments': {}}</tool_call>",
    "a further key": '<tool_call>{"name": "f", "arguments": {}, "id": 1}</tool_call>',
    "arguments as text": '<tool_call>{"name": "f", "arguments": "{}"}</tool_call>',
    "a list in a block": '<tool_call>[{"name": "f", "arguments": {}}]</tool_call>',
    "NaN": '<tool_call>{"name": "f", "arguments": {"a": NaN}}</tool_call>',
    "only the tag": "The tag is <tool_call>.",
    "a block around nothing": "<tool_call></tool_call>",
    "nothing": "",
}
FRAGMENTS = (CALL, "<think>", "</think>", "<tool_call>", "</tool_call>", '{"name": "f", "arguments": {}}', "Hm.")


@pytest.fixture(scope="module")
def parser() -> Any:
    """Makes a parser of the kind that the server is started with; one of them reads one answer."""
    managers = pytest.importorskip("vllm.tool_parsers.abstract_tool_parser", reason="vllm is not installed")
    made = managers.ToolParserManager.get_tool_parser(load_profile("demo").server.tool_call_parser)
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    return lambda: made(tokenizer)


REQUEST = SimpleNamespace(tools=[], tool_choice="auto", model="m")


def executed(parser: Any, text: str) -> list[tuple[str, str]]:
    found = parser().extract_tool_calls(text, REQUEST).tool_calls
    return [(call.function.name, call.function.arguments) for call in found]


def executed_in_a_stream(parser: Any, text: str, size: int) -> list[str]:
    """The names of the calls that a streaming client is given, from pieces of `size` characters."""
    reader, names, before = parser(), [], ""
    for start in range(0, len(text), size):
        piece = text[start : start + size]
        delta = reader.extract_tool_calls_streaming(before, before + piece, piece, [], [], [], REQUEST)
        before += piece
        names += [call.function.name for call in (delta.tool_calls if delta else []) if call.function.name]
    return names


def agrees(parser: Any, text: str) -> None:
    ours, theirs = parse_strict(text), executed(parser, text)
    streamed = executed_in_a_stream(parser, text, 7)
    if ours.silent:
        assert not theirs and not streamed, f"{text!r} counts as silence, and the server executes {theirs or streamed}"
    if ours.calls and not ours.malformed and "<tool_call>" in text:
        assert theirs == [(call.name, json.dumps(call.arguments, ensure_ascii=False)) for call in ours.calls], text
        assert streamed == [call.name for call in ours.calls], text


@pytest.mark.parametrize("text", ANSWERS.values(), ids=ANSWERS)
def test_silence_is_what_the_server_would_not_execute(parser: Any, text: str) -> None:
    agrees(parser, text)


def test_no_mixture_of_tags_hides_a_call(parser: Any) -> None:
    chance = random.Random(0)
    for _ in range(1500):
        agrees(parser, "".join(chance.choices(FRAGMENTS, k=chance.randint(1, 6))))
