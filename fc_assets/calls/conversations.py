"""Conversations in ShareGPT form as turns: each expected answer with what came before it and the tools offered.

Training, evaluation, load test and edge report all read the splits through this module, so they agree on what a turn
is. Rendering a turn as a prompt belongs to `prompts`, making the splits to the data room.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fc_assets.calls.call import Call, Tool, calls_from_json
from fc_assets.calls.control_text import Pieces, cut, holds_control_text
from fc_assets.calls.prompts import answer_text
from fc_assets.calls.tools.forms import tools_from_json
from fc_assets.errors import FcAssetsError

_ROW_FIELDS = frozenset({"id", "conversations", "tools", "system"})


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer that a model must get right.

    `messages` are OpenAI chat messages up to the answer; `context` is all that the user and the tools said before it,
    the text in which argument values can be grounded. `tools` are functions without their wrapper; `calls` are the
    expected ones, none when the answer is in words. `answer` is the reference reply as the model should write it: the
    calls in the template's form, or the words. `flags` are the row's further fields, such as `tools_seen_in_train`.
    `closing` answers word what a tool returned; `multi_turn` says that the row owes several answers beside those.
    """

    id: str
    messages: tuple[Mapping[str, Any], ...]
    context: str
    tools: tuple[Tool, ...]
    calls: tuple[Call, ...]
    answer: str
    flags: Mapping[str, Any]
    closing: bool = False
    multi_turn: bool = False

    @property
    def query(self) -> str:
        """The latest user message."""
        return next((str(message["content"]) for message in reversed(self.messages) if message["role"] == "user"), "")

    @property
    def answer_pieces(self) -> Pieces:
        """The answer for `control_text.token_ids`: the marks of calls are the template's, a mark in words is text."""
        return [self.answer] if self.calls else cut(self.answer)

    @property
    def has_control_text(self) -> bool:
        """Whether a message, a tool or an answer in words holds text that looks like a mark of the template."""
        return len(self.answer_pieces) > 1 or holds_control_text((self.messages, self.tools))


def read_turns(split: Path, *, closing: bool = False) -> list[Turn]:
    """All turns of a ShareGPT split file (a JSON array), in order; with `closing` as in `turns_of`."""
    try:
        rows = json.loads(split.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FcAssetsError(f"{split} cannot be read as a JSON array of ShareGPT rows: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FcAssetsError(f"{split} is no JSON array of ShareGPT rows: make the split again")
    return [turn for row in rows for turn in turns_of(row, closing=closing)]


def turns_of(row: Mapping[str, Any], *, closing: bool = False) -> Iterator[Turn]:
    """The turns of one ShareGPT row: every `function_call`, and every `gpt` that answers a user directly.

    A `gpt` turn after a tool's response only words the result: it is not judged, but learnt, and given with `closing`,
    after the others. The ids are the row's own where there is one turn, else `id#0`, `id#1`, ...; closing turns are
    numbered on. Raises `FcAssetsError` naming the row that is malformed.
    """
    row_id = str(row.get("id", "?"))
    try:
        tools = tuple(tools_from_json(row["tools"])) if row.get("tools") else ()
        flags = {name: value for name, value in row.items() if name not in _ROW_FIELDS}
        found = _expected_answers(row_id, row["conversations"], row.get("system") or "")
    except (KeyError, TypeError, AttributeError) as error:
        raise FcAssetsError(f"ShareGPT row {row_id!r} is malformed ({error!r}); make the split again") from error
    judged = [each for each in found if not each.closing]
    for number, each in enumerate([*judged, *(each for each in found if closing and each.closing)]):
        turn_id = row_id if len(judged) == 1 and not number else f"{row_id}#{number}"
        yield Turn(
            turn_id,
            each.messages,
            each.context,
            tools,
            each.calls,
            each.answer,
            flags,
            closing=each.closing,
            multi_turn=len(judged) > 1,
        )


class _Answer(NamedTuple):
    """The messages before an answer, all that was said until then, the expected calls, the answer, and what it is."""

    messages: tuple[Mapping[str, Any], ...]
    context: str
    calls: tuple[Call, ...]
    answer: str
    closing: bool


def _expected_answers(row_id: str, conversation: Sequence[Mapping[str, str]], system: str) -> list[_Answer]:
    """Every answer of the conversation, in order."""
    history: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    said: list[str] = []
    found: list[_Answer] = []
    for turn in conversation:
        role, value = turn.get("from"), turn.get("value", "")
        if role in ("human", "observation"):
            history += [{"role": "user", "content": value}] if role == "human" else _results(history, value)
            said.append(value)
        elif role == "function_call":
            calls = _calls(row_id, value)
            found.append(_Answer(tuple(history), "\n".join(said), calls, answer_text(calls), closing=False))
            made = [call.as_tool_call(f"call_{len(history)}_{number}") for number, call in enumerate(calls)]
            history.append({"role": "assistant", "content": "", "tool_calls": made})
        elif role == "gpt":
            closing = not history or history[-1]["role"] != "user"
            found.append(_Answer(tuple(history), "\n".join(said), (), value, closing))
            history.append({"role": "assistant", "content": value})
        else:
            raise FcAssetsError(
                f"row {row_id}: a turn is from {role!r}; it must be from human, gpt, function_call or observation"
            )
    return found


def _calls(row_id: str, value: str) -> tuple[Call, ...]:
    try:
        return calls_from_json(value)
    except FcAssetsError as error:
        raise FcAssetsError(f"row {row_id}: {error}") from error


def _results(history: Sequence[Mapping[str, Any]], observation: str) -> list[dict[str, Any]]:
    """The tools' messages of an observation: one for each call where it has a line for each, as servers get them."""
    calls = history[-1].get("tool_calls", ()) if history else ()
    texts, ids = observation.splitlines(), [call["id"] for call in calls]
    if len(texts) != len(ids):
        texts, ids = [observation], ids[:1] or [""]
    return [{"role": "tool", "tool_call_id": name, "content": text} for name, text in zip(ids, texts, strict=True)]
