"""A question as the token ids that transformers feeds a model: one function for answering and for template parity.

The tokenizer is a checkpoint's own. Encoding a turn as training does is `training.sequences`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fc_assets.calls.control_text import token_ids
from fc_assets.calls.prompts import prompt_pieces
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import Question


def load_tokenizer(folder: Path) -> Any:
    """The checkpoint's tokenizer, padding on the left. Raises FcAssetsError where there is no checkpoint."""
    from transformers import AutoTokenizer

    if not (folder / "config.json").is_file():
        raise FcAssetsError(f"There is no checkpoint at {folder}: it has no config.json")
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", local_files_only=True)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def prompt_ids(tokenizer: Any, question: Question) -> list[int]:
    """The token ids of a question: its own prompt as it is, else the chat template's with thinking off.

    The marks of a chat template are tokens in a prompt of its own, and text in messages and tools.
    """
    if question.prompt:
        ids: Sequence[int] = tokenizer(question.prompt).input_ids
        return list(ids)
    messages = [dict(each) for each in question.messages]
    (encoded,) = token_ids(tokenizer, [prompt_pieces(tokenizer, messages, question.tools, thinking_off=True)])
    return encoded
