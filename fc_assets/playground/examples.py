"""What a person may ask: rows of the validation split to pick from, and tools that were pasted in any form.

Asking is `engines`.
"""

from __future__ import annotations

import json
from typing import Any

from fc_assets.calls.call import Tool, json_value
from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.tools import ToolReader, join_tools
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.inference.parity import spread
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.names import SHAREGPT_VAL, split_file

MOST = 200
"""Rows to pick from: more than anybody reads, and a list that a browser opens at once."""


def examples(store: ArtifactStore) -> list[dict[str, Any]]:
    """Single questions of the newest validation split as JSON data: id, question, tools, expected calls.

    Empty where the home has no split.
    """
    split = store.newest(SHAREGPT_VAL)
    if split is None:
        return []
    single = [turn for turn in read_turns(split.path / split_file(SHAREGPT_VAL)) if _is_single(turn)]
    return [
        {
            "id": turn.id,
            "question": turn.query,
            "tools": [dict(tool) for tool in turn.tools],
            "expected": [call.as_dict() for call in turn.calls],
        }
        for turn in spread(single, MOST)
    ]


def read_tools(text: str) -> list[Tool]:
    """Tools in xLAM's, OpenAI's, Anthropic's or MCP's form (`tools/list`) as the project's one; empty text is no tool.

    Raises `FcAssetsError` with what is wrong.
    """
    if not text.strip():
        return []
    value = json_value(text, "the tools")
    try:
        read = ToolReader().read([value] if isinstance(value, dict) and "tools" not in value else value)
    except RowRejectedError as error:
        raise FcAssetsError(f"The tools cannot be used: {error}") from error
    tools: list[Tool] = json.loads(join_tools(read).json)
    return tools


def _is_single(turn: Turn) -> bool:
    """One question and nothing before it."""
    return [message["role"] for message in turn.messages] == ["user"]
