"""Answers as other clients keep them, as the text that the model would have written: OpenAI's messages and tool calls.

Which file holds them is `prediction_files`; what a text is worth is `scoring`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

FORMS = "a 'text', an OpenAI 'message', 'tool_calls', or a whole response with 'choices'"
"""The forms of an answer, for a sentence to people."""


def answer_of(record: Mapping[str, Any]) -> str | None:
    """The answer in a record of predictions, or None where it holds none.

    Read are: `text`; `message` ({"content", "tool_calls"}); `tool_calls` and `content` of the record itself; and
    `choices`, of which the first counts. A text that is the JSON of a message or of tool calls is read as that.
    """
    if record.get("choices"):
        first = record["choices"][0] if isinstance(record["choices"], list) else None
        return answer_of(first) if isinstance(first, Mapping) else None
    message = record.get("message")
    if isinstance(message, Mapping):
        return _of_message(message)
    text = record.get("text")
    if isinstance(text, str):
        return _unwrapped(text)
    if "tool_calls" in record or "content" in record:
        return _of_message(record)
    return None


def _unwrapped(text: str) -> str:
    stripped = text.strip()
    if not stripped.startswith(("{", "[")) or ("tool_calls" not in stripped and '"function"' not in stripped):
        return text
    try:
        value = json.loads(stripped)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
        return _of_message(value)
    if isinstance(value, list) and value and all(_is_tool_call(each) for each in value):
        return _of_message({"tool_calls": value})
    return text


def _of_message(message: Mapping[str, Any]) -> str:
    """Words, then a block for each call, as the chat template writes a message."""
    words, calls = message.get("content"), message.get("tool_calls") or []
    parts = [words] if isinstance(words, str) and words else []
    parts += [_block(call) for call in calls] if isinstance(calls, list) else [_block(calls)]
    return "\n".join(parts)


def _block(call: object) -> str:
    """One call as a block. What is not valid stays as it is, for the parser to judge."""
    function = call.get("function", call) if isinstance(call, Mapping) else call
    if not isinstance(function, Mapping):
        return f"<tool_call>\n{json.dumps(function, ensure_ascii=False)}\n</tool_call>"
    arguments = function.get("arguments")
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    name = json.dumps(function.get("name"), ensure_ascii=False)
    return f'<tool_call>\n{{"name": {name}, "arguments": {written or "{}"}}}\n</tool_call>'


def _is_tool_call(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("function"), dict)
