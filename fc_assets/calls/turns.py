"""Conversations in ShareGPT form as the steps that a model must get right: each expected answer is one row to judge.

Reading the files is the data room's business; here one conversation becomes steps.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.call import Call, calls_from_json
from fc_assets.calls.prompts import answer_text
from fc_assets.foundation.errors import FcAssetsError


@dataclass(frozen=True, slots=True)
class Step:
    """One answer that is expected: what came before it as chat messages, and the calls (none: a reply in words).

    `answer` is the reference reply as the model should write it: the calls in the template's form, or the words.
    `context` is all that the user and the tools said before, the text in which argument values can be grounded.
    """

    id: str
    messages: tuple[Mapping[str, Any], ...]
    context: str
    expected: tuple[Call, ...]
    answer: str


def expected_steps(row_id: str, conversations: Sequence[Mapping[str, str]], system: str = "") -> list[Step]:
    """The steps of one conversation: every `function_call` turn, and every `gpt` turn that answers a user directly.

    A `gpt` turn after a tool's response only words the result and is not judged. The ids are `row_id` where there is
    one step, else `row_id#0`, `row_id#1`, ... Raises FcAssetsError, naming the row, on a turn of an unknown role.
    """
    history: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    said: list[str] = []
    found: list[tuple[tuple[Mapping[str, Any], ...], str, tuple[Call, ...], str]] = []
    for turn in conversations:
        role, value = turn.get("from"), turn.get("value", "")
        if role in ("human", "observation"):
            history.append({"role": "user" if role == "human" else "tool", "content": value})
            said.append(value)
        elif role == "function_call":
            calls = _calls(row_id, value)
            found.append((tuple(history), "\n".join(said), calls, answer_text(calls)))
            history.append({"role": "assistant", "content": "", "tool_calls": [_as_message(call) for call in calls]})
        elif role == "gpt":
            if history and history[-1]["role"] == "user":
                found.append((tuple(history), "\n".join(said), (), value))
            history.append({"role": "assistant", "content": value})
        else:
            raise FcAssetsError(
                f"row {row_id}: a turn is from {role!r}; it must be from human, gpt, function_call or observation"
            )
    single = len(found) == 1
    return [Step(row_id if single else f"{row_id}#{number}", *parts) for number, parts in enumerate(found)]


def _calls(row_id: str, value: str) -> tuple[Call, ...]:
    try:
        return calls_from_json(value)
    except FcAssetsError as error:
        raise FcAssetsError(f"row {row_id}: {error}") from error


def _as_message(call: Call) -> dict[str, Any]:
    arguments = json.dumps(call.arguments, ensure_ascii=False)  # OpenAI's form; chat templates take it as it is
    return {"type": "function", "function": {"name": call.name, "arguments": arguments}}
