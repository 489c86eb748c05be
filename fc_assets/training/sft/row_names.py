"""Which rows a batch of token ids is made of: asked only when training must say where it went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fc_assets.training.sequences import EncodedTurn


class RowNames:
    """Finds the ids of turns by their tokens, in batches as trl's SFTTrainer makes them."""

    def __init__(self, turns: Sequence[EncodedTurn]) -> None:
        self._ids = {tuple(turn.input_ids): turn.id for turn in turns}

    def __call__(self, inputs: Any) -> list[str]:
        """The ids of the rows in `inputs`, in their order; rows of another origin are left out."""
        return [self._ids[tokens] for tokens in _sequences(inputs) if tokens in self._ids]


def _sequences(inputs: Any) -> Iterator[tuple[int, ...]]:
    """The token ids of each row of a batch of `input_ids` and `attention_mask`, both (rows, tokens)."""
    for tokens, mask in zip(inputs["input_ids"].tolist(), inputs["attention_mask"].tolist(), strict=True):
        yield tuple(token for token, is_real in zip(tokens, mask, strict=True) if is_real)
