"""The one renderer: conversation and tools to prompt, expected calls to answer.

SFT, GRPO, evaluation and edge all use it. Plain text work: the tokenizer comes from the caller, so that nothing here
imports transformers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from fc_assets.calls.call import Call, Tool
from fc_assets.calls.control_text import MARK_START, Pieces, holds_control_text, with_separators
from fc_assets.foundation.json_files import json_text

THINK_OFF = "<think>\n\n</think>\n\n"
"""The empty thinking block that Qwen3's template writes when thinking is off; in training it opens the completion."""

_SEPARATOR = "\ufdd0"
"""A code point that Unicode keeps out of texts."""


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

    A value that contains such a tag or another mark of the template is written with its `<` as a JSON escape: no parser
    and no tokenizer could tell them apart.
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


def prompt_pieces(
    tokenizer: ChatTokenizer, messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool], thinking_off: bool
) -> Pieces:
    """The prompt of `render_prompt` for `control_text.token_ids`: cut within each mark that a message or a tool holds.

    The template's own marks are whole. One piece, the very text of `render_prompt`, where messages and tools hold none.
    """
    text = render_prompt(tokenizer, messages, tools, thinking_off)
    if not holds_control_text((messages, tools)):
        return [text]
    separator = _SEPARATOR
    while separator in text:
        separator += _SEPARATOR
    separated = with_separators(messages, separator), with_separators(tools, separator)
    return render_prompt(tokenizer, *separated, thinking_off).split(separator)


def _dumps(call: Call) -> str:
    text = json_text(call.as_dict())
    return MARK_START.sub(r"\\u003c", text) if "<" in text else text
