"""Ids of rows from the tokens of a batch."""

import torch

from fc_assets.training.sequences import EncodedTurn
from fc_assets.training.sft.row_names import RowNames


def turn(name: str, *tokens: int) -> EncodedTurn:
    return EncodedTurn(name, list(tokens), [0] * (len(tokens) - 1) + [1])


def test_rows_are_found_under_their_padding_and_others_are_left_out() -> None:
    names = RowNames([turn("short", 5, 6), turn("long", 5, 6, 7), turn("with the padding's token inside", 0, 5, 0)])
    batch = {
        "input_ids": torch.tensor([[5, 6, 0], [0, 5, 0], [9, 9, 9], [5, 6, 7]]),
        "attention_mask": torch.tensor([[1, 1, 0], [1, 1, 1], [1, 1, 1], [1, 1, 1]]),
    }
    assert names(batch) == ["short", "with the padding's token inside", "long"]
