"""The one renderer: conversation and tools to prompt, expected calls to answer.

SFT, GRPO, evaluation and edge all use it. Plain text work: the tokenizer comes from the caller, so that nothing here
imports transformers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from fc_assets.calls.call import Call, Tool
from fc_assets.foundation.json_files import json_text

THINK_OFF = "<think>\n\n</think>\n\n"
"""The empty thinking block that Qwen3's template writes when thinking is off; in training it opens the completion."""

_TAG = re.compile(r"<(?=/?(?:think|tool_call)>)")


class ChatTokenizer(Protocol):
    """What `render_prompt` needs of a transformers tokenizer."""

    def apply_chat_template(self, conversation: Any, **options: Any) -> Any:
        """Render `conversation` with the model's own template."""


def messages(query: str, system: str = "") -> list[dict[str, str]]:
    """A single-turn conversation; an empty `system` adds no message."""
    opening = [{"role": "system", "content": system}] if system else []
    return [*opening, {"role": "user", "content": query}]


def wrap_tools(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """Tools as templates and servers want them: {"type": "function", "function": tool}."""
    return [{"type": "function", "function": dict(tool)} for tool in tools]


def answer_text(calls: Sequence[Call]) -> str:
    """Calls as the template writes them: one `<tool_call>` block each, joined by a new line.

    A value that contains such a tag itself is written with its `<` as a JSON escape; no parser could tell them apart.
    """
    return "\n".join(f"<tool_call>\n{_dumps(call)}\n</tool_call>" for call in calls)


def render_prompt(
    tokenizer: ChatTokenizer, messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool], thinking_off: bool
) -> str:
    """The prompt up to the assistant's turn, by the tokenizer's own chat template.

    With `thinking_off` it ends after `THINK_OFF` (what a server builds for enable_thinking=false), otherwise after
    `<|im_start|>assistant\\n` (the training form, whose completion begins with `THINK_OFF`).
    """
    text: str = tokenizer.apply_chat_template(
        list(messages),
        tools=wrap_tools(tools) or None,
        add_generation_prompt=True,
        enable_thinking=not thinking_off,
        tokenize=False,
    )
    return text


def _dumps(call: Call) -> str:
    text = json_text(call.as_dict())
    return _TAG.sub(r"\\u003c", text) if "<" in text else text
