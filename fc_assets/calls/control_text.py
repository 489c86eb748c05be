"""Text that looks like a chat template's own marks (`<|im_end|>`, `<tool_call>`), encoded as the text that it is.

A tokenizer makes one token of such a mark wherever it stands, so that a query could end its own turn and begin the
assistant's. Here the text of users, tools and data is cut behind each mark's `<` and every piece encoded alone: no
piece holds a mark, all pieces together are the text. Text without a mark stays in one piece, and so keeps its tokens to
the last. Which marks are the template's own is known only while a prompt is rendered: that is `prompts`. A server that
renders by itself makes tokens of them all the same (docs/control-tokens.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Any

_TAGS = "think|tool_call|tool_response|tools"
MARK_START = re.compile(rf"<(?=\|[^<>|\s]{{1,64}}\|>|/?(?:{_TAGS})>)")
"""The `<` of every mark: Qwen3's special tokens and its look-alikes, and the tags of its template."""

Pieces = Sequence[str]
"""A text cut so that no piece holds a mark that is data; those of the template are whole."""


def holds_control_text(value: object) -> bool:
    """Whether a text holds a mark, or any text within lists and objects, their keys included."""
    if isinstance(value, str):
        return "<" in value and MARK_START.search(value) is not None
    if isinstance(value, Mapping):
        return any(holds_control_text(key) or holds_control_text(item) for key, item in value.items())
    return isinstance(value, Sequence) and any(map(holds_control_text, value))


def cut(text: str) -> list[str]:
    """The text in pieces without a mark, each but the last ending with the `<` of one."""
    starts = [found.end() for found in MARK_START.finditer(text)]
    return [text[begin:end] for begin, end in zip([0, *starts], [*starts, len(text)], strict=True)]


def with_separators(value: Any, separator: str) -> Any:
    """A copy of a text, or of lists and objects of texts, with the separator behind the `<` of each mark."""
    if isinstance(value, str):
        return MARK_START.sub(f"<{separator}", value)
    if isinstance(value, Mapping):
        return {with_separators(key, separator): with_separators(item, separator) for key, item in value.items()}
    return [with_separators(item, separator) for item in value] if isinstance(value, Sequence) else value


def token_ids(tokenizer: Any, texts: Iterable[Pieces]) -> list[list[int]]:
    """The token ids of each text by a transformers tokenizer, without tokens that it would add around it."""
    texts = list(texts)
    pieces = [piece for text in texts for piece in text]
    encoded = iter(tokenizer(pieces, add_special_tokens=False).input_ids if pieces else ())
    return [list(chain.from_iterable(islice(encoded, len(text)))) for text in texts]
