"""hermes-function-calling-v1: conversations with `<tools>`, `<tool_call>` and `<tool_response>` in the text.

A row becomes an example in the project's form: tools from the row's own column or from its system message, calls from
the assistant's text, further turns as ShareGPT turns. The system message itself, which only explains the format, is
left out: the model's chat template writes its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from fc_assets.calls.control_text import holds_control_text
from fc_assets.calls.parse import parse_lenient
from fc_assets.data.rows.normalise import MAX_QUERY_CHARS, Example, as_calls, as_id
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.tools import FLAG_CONTROL_TEXT, ToolReader, join_tools
from fc_assets.foundation.json_files import is_writable

_TOOLS = re.compile(r"<tools>(.*?)</tools>", re.DOTALL)
_RESPONSE = re.compile(r"</?tool_response>")
_MAX_TURNS = 64


def read_hermes_row(
    row: object, reader: ToolReader, *, fallback_id: str = "", source: str = "", licence: str = ""
) -> Example:
    """The example in one row {"id", "conversations": [{"from", "value"}], "tools"?}. Raises `RowRejectedError`.

    Python-style quotes in a call are read; a call that is neither JSON nor a Python literal rejects the row, as does an
    answer without words. Of a conversation that does not end with the assistant, the end is left out.
    """
    if not isinstance(row, dict):
        raise RowRejectedError("row is not an object", f"found {type(row).__name__}")
    conversation = row.get("conversations")
    if not isinstance(conversation, list) or not all(isinstance(turn, dict) for turn in conversation):
        raise RowRejectedError("no conversations")
    if len(conversation) > _MAX_TURNS:
        raise RowRejectedError("too many turns", f"{len(conversation)}, at most {_MAX_TURNS}")
    offer = join_tools(reader.read(_tools(row, conversation)))
    turns = _turns(conversation, offer.names)
    if turns[0]["value"].strip() == "":
        raise RowRejectedError("query is empty or not text")
    flags = offer.flags
    if FLAG_CONTROL_TEXT not in flags and holds_control_text([turn["value"] for turn in turns]):
        flags = (*flags, FLAG_CONTROL_TEXT)
    first = turns[1]
    calls = first["value"] if first["from"] == "function_call" else "[]"
    alone = len(turns) == 2 and first["from"] == "function_call"
    return Example(
        id=as_id(row.get("id"), fallback_id),
        query=turns[0]["value"],
        tools=offer.json,
        calls=calls if calls.startswith("[") else f"[{calls}]",
        source=source,
        licence=licence,
        flags=flags,
        turns="" if alone else orjson.dumps(turns).decode(),
    )


def _tools(row: dict[str, Any], conversation: list[dict[str, Any]]) -> object:
    given = row.get("tools")
    if given:
        return _json(given, "tools") if isinstance(given, str) else given
    blocks = [
        block.strip()
        for turn in conversation
        if turn.get("from") == "system"
        for block in _TOOLS.findall(str(turn.get("value")))
    ]
    # Prompts speak of "<tools></tools> XML tags" before they come to the tools.
    listed = [block for block in blocks if block]
    if not listed:
        raise RowRejectedError("no tools")
    lines = listed[-1].splitlines()
    # Qwen's template writes a tool a line, without brackets around them.
    if len(lines) > 1 and all(line.startswith("{") and line.endswith("}") for line in lines):
        return [_json(line, "tools") for line in lines]
    tools = _json(listed[-1], "tools")
    return [tools] if isinstance(tools, dict) and "tools" not in tools else tools


def _json(text: str, what: str) -> object:
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise RowRejectedError(f"{what} are not JSON", str(error)) from None


def _turns(conversation: list[dict[str, Any]], offered: Sequence[str]) -> list[dict[str, str]]:
    """Turns in strict alternation, question and answer, as ShareGPT readers demand.

    Results that follow each other answer the calls of one turn: they become one observation, a result a line.
    """
    turns: list[dict[str, str]] = []
    for turn in conversation:
        role, value = turn.get("from"), turn.get("value")
        if not isinstance(value, str) or len(value) > MAX_QUERY_CHARS:
            raise RowRejectedError("turn is not text or too long", f"from {role!r:.40}")
        if not is_writable(value):
            raise RowRejectedError("turn is not Unicode", "it holds a lone surrogate")
        if role == "system":
            continue
        made = _turn(role, value, offered)
        if turns and made["from"] == turns[-1]["from"] == "observation":
            turns[-1]["value"] += f"\n{made['value']}"
            continue
        asks = made["from"] in ("human", "observation")
        if asks != (len(turns) % 2 == 0):
            raise RowRejectedError("turns do not alternate", f"turn {len(turns) + 1} is from {role!r}")
        called = bool(turns) and turns[-1]["from"] == "function_call"
        if asks and called != (made["from"] == "observation"):
            raise RowRejectedError("a call without its result, or a result without its call")
        turns.append(made)
    del turns[len(turns) - len(turns) % 2 :]
    if not turns:
        raise RowRejectedError("no answer by the assistant")
    return turns


def _turn(role: object, value: str, offered: Sequence[str]) -> dict[str, str]:
    if role in ("human", "user"):
        return {"from": "human", "value": value}
    if role in ("tool", "observation", "function_response"):
        return {"from": "observation", "value": _RESPONSE.sub("", value).strip()}
    if role in ("gpt", "assistant", "function_call"):
        parsed = parse_lenient(value)
        if parsed.malformed or (role == "function_call" and not parsed.calls):
            raise RowRejectedError("answers are not JSON", f"{value[:120]!r}")
        if not parsed.calls:
            if not parsed.answer:
                raise RowRejectedError("an answer is empty", f"{value[:120]!r}")
            if holds_control_text(parsed.answer):
                raise RowRejectedError("control text in an expected answer", f"{value[:120]!r}")
            return {"from": "gpt", "value": parsed.answer}
        calls = as_calls([call.as_dict() for call in parsed.calls], offered)
        return {"from": "function_call", "value": calls if len(parsed.calls) > 1 else calls[1:-1]}
    raise RowRejectedError("turn from an unknown speaker", f"{role!r:.40}")
