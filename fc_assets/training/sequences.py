"""Turns as token ids: what the trainer sees, and which of it is learnt.

A training sequence is the prompt as the serving template renders it, ending at `<|im_start|>assistant\\n`, and a
completion that opens with the empty think block. Served with thinking off, the prompt's ids plus those of the think
block are a prefix of this very sequence. Only the completion is learnt. The trainer's settings do not belong here.

Of a conversation every answer is a sequence of its own, so each is learnt once, as the last. One sequence with a loss
on all its answers would teach another text than is served: Qwen3's template drops the think block from every answer but
the last, and with it the block that opens each answer when it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fc_assets.calls.control_text import Pieces, token_ids
from fc_assets.calls.conversations import Turn
from fc_assets.calls.prompts import THINK_OFF, prompt_pieces
from fc_assets.errors import FcAssetsError

_NAMED = 5


@dataclass(frozen=True)
class EncodedTurn:
    """Token ids of one turn and its completion mask (1 = learnt), both of the same length."""

    id: str
    input_ids: list[int]
    completion_mask: list[int]

    @property
    def learnt_ids(self) -> list[int]:
        """The token ids that have a loss."""
        return [token for token, learnt in zip(self.input_ids, self.completion_mask, strict=True) if learnt]


def completion_pieces(turn: Turn, end: str) -> Pieces:
    """What the model should write after `<|im_start|>assistant\\n`, the end-of-turn token `end` included."""
    pieces = list(turn.answer_pieces)
    pieces[0] = THINK_OFF + pieces[0]
    pieces[-1] += end
    return pieces


def encode(tokenizer: Any, turn: Turn) -> EncodedTurn:
    """Render and tokenize one turn with a transformers tokenizer.

    Prompt and completion are tokenized apart, which is what a server does: it never sees the answer.
    """
    asked = prompt_pieces(tokenizer, turn.messages, turn.tools, thinking_off=False)
    prompt, completion = token_ids(tokenizer, [asked, completion_pieces(turn, tokenizer.eos_token)])
    return EncodedTurn(turn.id, prompt + completion, [0] * len(prompt) + [1] * len(completion))


def encode_split(tokenizer: Any, turns: Sequence[Turn], max_length: int) -> tuple[list[EncodedTurn], list[str]]:
    """All turns that fit `max_length` tokens, and the ids of those that do not.

    A sequence is never cut: half a call teaches broken JSON. Raises `FcAssetsError` when none fits.
    """
    encoded = [encode(tokenizer, turn) for turn in turns]
    kept = [example for example in encoded if len(example.input_ids) <= max_length]
    if not kept:
        shortest = min((len(example.input_ids) for example in encoded), default=0)
        raise FcAssetsError(
            f"None of the {len(turns)} training turns fits {max_length} tokens (the shortest has {shortest}); "
            "raise sft.max_length"
        )
    overlong = [example.id for example in encoded if len(example.input_ids) > max_length]
    return kept, overlong


def allow_overlong(overlong: Sequence[str], policy: Literal["drop", "fail"], section: str, limit: str) -> None:
    """Raise `FcAssetsError` with the first ids where turns are too long and the `policy` is to fail.

    `limit` is the setting of the profile's `section` that they are held to.
    """
    if policy == "fail" and overlong:
        more = f" and {len(overlong) - _NAMED} more" if len(overlong) > _NAMED else ""
        raise FcAssetsError(
            f"{len(overlong)} training turns do not fit {section}.{limit}: {', '.join(overlong[:_NAMED])}{more}; raise "
            f"{section}.{limit}, or set {section}.overlong to drop"
        )
