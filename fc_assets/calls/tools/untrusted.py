"""Tools that strangers wrote, as an MCP server lists them: which are refused before any model reads them.

What a description says is data: it can tell a model nothing that this module could tell from a true description. What
it must not do is end the part of the prompt that it stands in, or be of any length. Whether a schema is valid is
decided in `schema`, how tools are spelt in `forms`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

MAX_TOOL_CHARS = 20_000
"""Of one tool as JSON: ten times what large real ones have."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
"""As MCP has it (2025-11-25, Tool Names), and no dot at the beginning."""
_TEMPLATE_MARK = re.compile(r"<\|[^|<>]{1,40}\|>|</?(?:tools?|tool_call|tool_response|think)>")


def why_refused(tool: Mapping[str, Any]) -> str:
    """Why this tool, in the project's form, cannot be offered to a model: a short reason; empty where it can."""
    if not _NAME.fullmatch(str(tool.get("name"))):
        return "tool name is no plain name"
    text = json.dumps(tool, ensure_ascii=False)
    if len(text) > MAX_TOOL_CHARS:
        return "tool is too long"
    return "tool holds marks of a chat template" if _TEMPLATE_MARK.search(text) else ""


def without_marks(text: str) -> str:
    """`text` in which no mark of a chat template stands: their `<` is written as `&lt;`.

    A template puts what users and tools say into the prompt as it is, and tokenizers read such marks wherever they are.
    """
    return _TEMPLATE_MARK.sub(lambda mark: f"&lt;{mark.group()[1:]}", text)
