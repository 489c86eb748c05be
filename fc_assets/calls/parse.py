"""From a model's text to its calls. The text is untrusted: size, nesting and time are bounded and nothing here raises.

Strict is what an endpoint accepts: each `<tool_call>` block is one JSON object of exactly "name" and "arguments".
Lenient forgives what a careful client could repair (see `parse_lenient`). Whether a call is right is not decided here.
"""

from __future__ import annotations

import ast
import json
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fc_assets.calls.call import Call
from fc_assets.calls.nesting import MAX_DEPTH, nested_too_deeply

MAX_TEXT_CHARS = 200_000
MAX_LITERAL_CHARS = 10_000  # ast.literal_eval builds a syntax tree, some 100 bytes for each character
MAX_CALLS = 64  # bounds the quadratic pairing of calls

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_THINK, _THINK_END = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Parsed:
    """The calls in a text. `malformed` counts emitted blocks that are no call; `answer` is all after the thinking."""

    calls: tuple[Call, ...]
    malformed: int
    answer: str

    @property
    def silent(self) -> bool:
        """Neither a call nor an attempt at one."""
        return not self.calls and not self.malformed


class _Malformed(ValueError):
    """A block that is not a call."""


def parse_strict(text: str) -> Parsed:
    """Each block by `json.loads`, an object of exactly {"name": str, "arguments": object}. Never raises.

    Thinking up to the last `</think>` is dropped; a `<tool_call>` in what is dropped, a `<think>` or a `<tool_call>`
    that stays open, and anything beyond the limits of this module count as malformed. Without any block the whole text
    may itself be such an object or a list of them; otherwise the text has no call. Numbers that are not finite are
    malformed.
    """
    return _parse(text, _load_strict, _call_strict)


def parse_lenient(text: str) -> Parsed:
    """As `parse_strict`, and also: markdown fences, trailing commas, Python literals, "arguments" as a JSON string,
    "parameters" for "arguments", further keys beside the two, an end of thinking that nothing began. Never raises."""
    return _parse(_without_stray_ends(text), _load_lenient, _call_lenient, calls_in_thoughts=0)


def _parse(
    text: str, load: Callable[[str], Any], to_call: Callable[[Any], Call], *, calls_in_thoughts: int = 1
) -> Parsed:
    """`calls_in_thoughts` is how many malformed blocks it counts as that what is dropped holds a call.

    A server that was asked not to think has no parser for thoughts: its tool parser executes calls in them as well.
    """
    if len(text) > MAX_TEXT_CHARS:
        return Parsed((), 1, text[:MAX_TEXT_CHARS])
    cut = text.rfind(_THINK_END)
    answer = (text[cut + len(_THINK_END) :] if cut >= 0 else text).strip()
    hidden = calls_in_thoughts if cut >= 0 and _OPEN in text[:cut] else 0
    if _THINK in answer:
        return Parsed((), 1 + hidden, answer)
    blocks, unclosed = _blocks(answer)
    if not blocks and not unclosed:
        bare = _parse_bare(answer, load, to_call)
        return replace(bare, malformed=bare.malformed + hidden) if hidden else bare
    calls: list[Call] = []
    malformed = unclosed + hidden
    for block in blocks:
        try:
            calls.append(to_call(load(block)))
        except _Malformed:
            malformed += 1
    return _bounded(calls, malformed, answer)


def _without_stray_ends(text: str) -> str:
    """`text` without those `</think>` behind a call that end no thinking; the thinking itself stays."""
    if _THINK_END not in text or len(text) > MAX_TEXT_CHARS:
        return text
    begins = text.find(_THINK_END) + len(_THINK_END) if text.lstrip().startswith(_THINK) else 0
    thinking, rest = text[:begins], text[begins:]
    first_call = rest.find(_OPEN)
    if first_call < 0 or rest.rfind(_THINK_END) < first_call:
        return text
    return thinking + rest[:first_call] + rest[first_call:].replace(_THINK_END, "")


def _blocks(text: str) -> tuple[list[str], int]:
    """The inside of every closed block, and 1 if a last one never closes."""
    blocks: list[str] = []
    position = text.find(_OPEN)
    while position >= 0:
        end = text.find(_CLOSE, position)
        if end < 0:
            return blocks, 1
        blocks.append(text[position + len(_OPEN) : end])
        position = text.find(_OPEN, end)
    return blocks, 0


def _parse_bare(answer: str, load: Callable[[str], Any], to_call: Callable[[Any], Call]) -> Parsed:
    """The whole text as a call or a list of calls. JSON that does not even attempt a call is prose."""
    if not answer.startswith(("{", "[", "```")):
        return Parsed((), 0, answer)
    try:
        value = load(answer)
    except _Malformed:
        return Parsed((), 0, answer)
    items = value if isinstance(value, list) else [value]
    calls: list[Call] = []
    attempts = 0
    for item in items:
        try:
            calls.append(to_call(item))
        except _Malformed:
            attempts += isinstance(item, dict) and "name" in item and ("arguments" in item or "parameters" in item)
    malformed = len(items) - len(calls) if calls or attempts else 0
    return _bounded(calls, malformed, answer)


def _bounded(calls: list[Call], malformed: int, answer: str) -> Parsed:
    surplus = max(0, len(calls) - MAX_CALLS)
    return Parsed(tuple(calls[:MAX_CALLS]), malformed + surplus, answer)


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise _Malformed(literal)
    return value


def _no_constant(literal: str) -> float:
    raise _Malformed(literal)


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)


def _load_strict(text: str) -> Any:
    try:
        value = _DECODER.decode(text.strip())
    except (ValueError, RecursionError) as error:
        raise _Malformed from error
    if nested_too_deeply(value):
        raise _Malformed("nested too deeply")
    return value


def _call_strict(value: Any) -> Call:
    if not isinstance(value, dict) or value.keys() != {"name", "arguments"}:
        raise _Malformed("not an object of name and arguments")
    return _call(value["name"], value["arguments"])


def _call_lenient(value: Any) -> Call:
    if not isinstance(value, dict):
        raise _Malformed("not an object")
    arguments = value.get("arguments", value.get("parameters"))
    if isinstance(arguments, str):
        arguments = _load_lenient(arguments)
    return _call(value.get("name"), arguments)


def _call(name: Any, arguments: Any) -> Call:
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise _Malformed("name must be text and arguments an object")
    return Call(name, arguments)


def _load_lenient(text: str) -> Any:
    text = _without_fence(text.strip())
    for attempt in (_load_strict, lambda source: _load_strict(_without_trailing_commas(source)), _load_literal):
        try:
            return attempt(text)
        except _Malformed:
            continue
    raise _Malformed("neither JSON nor a Python literal")


def _without_fence(text: str) -> str:
    if not text.startswith("```"):
        return text
    first_line, _, rest = text.partition("\n")
    language = first_line[3:].strip()
    inside = rest if not language or language.isalpha() else text[3:]
    return inside.strip().removesuffix("```").strip()


def _without_trailing_commas(text: str) -> str:
    """Drop each comma that only white space parts from a closing bracket, outside of double-quoted strings."""
    kept: list[str] = []
    comma = -1  # where in `kept` the last comma stands, while nothing but white space followed it
    quoted = escaped = False
    for char in text:
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char in "}]" and comma >= 0:
            kept[comma] = ""
            comma = -1
        elif char == ",":
            comma = len(kept)
        elif not char.isspace():
            comma = -1
            quoted = char == '"'
        kept.append(char)
    return "".join(kept)


def _load_literal(text: str) -> Any:
    # The parser of ast.literal_eval recurses in C: deep text must not reach it.
    if len(text) > MAX_LITERAL_CHARS or _bracket_depth(text) > MAX_DEPTH:
        raise _Malformed("too large or nested too deeply for a literal")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python remarks on odd literals ("0or 1"); here they are data
            value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise _Malformed from error
    return _as_json(value)


def _bracket_depth(text: str) -> int:
    depth = deepest = 0
    for char in text:
        if char in "([{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in ")]}":
            depth -= 1
    return deepest


def _as_json(value: Any) -> Any:
    """A Python literal as JSON data: tuples become lists; what JSON cannot hold is malformed."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise _Malformed("a key is not text")
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise _Malformed(f"{type(value).__name__} is not JSON")
