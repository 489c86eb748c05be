"""ShareGPT rows as single turns to be learnt or judged: what the assistant saw, and what it should have said.

Training, evaluation and the edge report all read the splits through this module, so they agree on what a turn is.
Rendering a turn as a prompt is `prompts`; making the splits is the data stage's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fc_assets.calls.prompts import answer_text
from fc_assets.calls.types import Call
from fc_assets.errors import FcAssetsError

_ROLES = {"human": "user", "observation": "tool", "system": "system"}
_ROW_FIELDS = frozenset({"id", "conversations", "tools", "system"})


@dataclass(frozen=True)
class Turn:
    """One assistant turn.

    `messages` are OpenAI chat messages up to the answer; `tools` are functions without their wrapper; `calls` are the
    expected ones, none when the answer is plain text; `answer` is the reference text in the model's own form; `flags`
    are the row's further fields. `id` is the row's, with `#k` behind it from the second assistant turn on.
    """

    id: str
    messages: tuple[Mapping[str, Any], ...]
    tools: tuple[Mapping[str, Any], ...]
    calls: tuple[Call, ...]
    answer: str
    flags: Mapping[str, Any] = field(default_factory=dict)

    @property
    def query(self) -> str:
        """The latest user message."""
        return next((str(m["content"]) for m in reversed(self.messages) if m["role"] == "user"), "")


def read_turns(split: Path) -> list[Turn]:
    """All turns of a ShareGPT split file (a JSON array), in order."""
    try:
        rows = json.loads(split.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FcAssetsError(f"{split} cannot be read as a JSON array of ShareGPT rows: {error}") from error
    return [turn for row in rows for turn in turns_of(row)]


def turns_of(row: Mapping[str, Any]) -> Iterator[Turn]:
    """The assistant turns of one ShareGPT row. Raises `FcAssetsError` naming the row that is malformed."""
    try:
        yield from _turns(row)
    except (KeyError, TypeError, ValueError) as error:
        raise FcAssetsError(
            f"ShareGPT row {row.get('id', '?')!r} is malformed ({error!r}); make the split again from its source"
        ) from error


def _turns(row: Mapping[str, Any]) -> Iterator[Turn]:
    row_id = str(row["id"])
    tools = tuple(json.loads(row["tools"])) if row.get("tools") else ()
    flags = {name: value for name, value in row.items() if name not in _ROW_FIELDS}
    messages: list[Mapping[str, Any]] = []
    if row.get("system"):
        messages.append({"role": "system", "content": row["system"]})
    count = 0
    for message in row["conversations"]:
        source, value = message["from"], message["value"]
        if source in _ROLES:
            messages.append({"role": _ROLES[source], "content": value})
            continue
        if source == "function_call":
            loaded = json.loads(value)
            calls = tuple(Call(c["name"], c["arguments"]) for c in (loaded if isinstance(loaded, list) else [loaded]))
            answer = answer_text(calls)
            reply = {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"type": "function", "function": {"name": call.name, "arguments": dict(call.arguments)}}
                    for call in calls
                ],
            }
        elif source == "gpt":
            calls, answer = (), value
            reply = {"role": "assistant", "content": value}
        else:
            raise ValueError(f"unknown speaker {source!r}")
        count += 1
        turn_id = row_id if count == 1 else f"{row_id}#{count}"
        yield Turn(turn_id, tuple(messages), tools, calls, answer, flags)
        messages.append(reply)
