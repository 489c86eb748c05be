"""Split files as the turns in them: each expected answer with the tools that were offered and the row's flags.

Training, evaluation and the edge report all read the splits through this module, so they agree on what a turn is.
What a turn is, is `turns`; rendering it as a prompt is `prompts`; making the splits is the data stage's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.calls.call import Call, Tool, tools_from_json
from fc_assets.calls.turns import expected_steps
from fc_assets.foundation.errors import FcAssetsError

_ROW_FIELDS = frozenset({"id", "conversations", "tools", "system"})


@dataclass(frozen=True, slots=True)
class Turn:
    """One assistant turn of a split.

    `messages` are OpenAI chat messages up to the answer, `context` all that was said before it; `tools` are functions
    without their wrapper; `calls` are the expected ones, none when the answer is in words; `answer` is the reference
    text in the model's own form; `flags` are the row's further fields, such as `tools_seen_in_train`.
    """

    id: str
    messages: tuple[Mapping[str, Any], ...]
    context: str
    tools: tuple[Tool, ...]
    calls: tuple[Call, ...]
    answer: str
    flags: Mapping[str, Any]

    @property
    def query(self) -> str:
        """The latest user message."""
        return next((str(message["content"]) for message in reversed(self.messages) if message["role"] == "user"), "")


def read_turns(split: Path) -> list[Turn]:
    """All turns of a ShareGPT split file (a JSON array), in order."""
    try:
        rows = json.loads(split.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FcAssetsError(f"{split} cannot be read as a JSON array of ShareGPT rows: {error}") from error
    return [turn for row in rows for turn in turns_of(row)]


def turns_of(row: Mapping[str, Any]) -> Iterator[Turn]:
    """The turns of one ShareGPT row. Raises `FcAssetsError` naming the row that is malformed."""
    row_id = str(row.get("id", "?"))
    try:
        tools = tuple(tools_from_json(row["tools"])) if row.get("tools") else ()
        steps = expected_steps(row_id, row["conversations"], row.get("system") or "")
    except (KeyError, TypeError, AttributeError) as error:
        raise FcAssetsError(f"ShareGPT row {row_id!r} is malformed ({error!r}); make the split again") from error
    flags = {name: value for name, value in row.items() if name not in _ROW_FIELDS}
    for step in steps:
        yield Turn(step.id, step.messages, step.context, tools, step.expected, step.answer, flags)
