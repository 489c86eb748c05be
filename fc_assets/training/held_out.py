"""Which rows of the training split are kept out, to be asked while a model trains: in SFT and GRPO the same.

They are not of `sharegpt_val`: the evaluation judges on that one, and what was chosen there would be judged on what it
was chosen by. Asking is `trainer.probe`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from fc_assets.calls.conversations import Turn
from fc_assets.errors import FcAssetsError

_TURN_NUMBER = re.compile(r"#\d+$")


def hold_out(turns: Sequence[Turn], rows: int, setting: str) -> tuple[list[Turn], list[Turn]]:
    """The turns to learn from, and those of `rows` rows, both in their order.

    Whole rows are held out, those whose ids have the smallest digests: fewer rows are among more of the same split, so
    that what GRPO asks was not learnt in SFT either. Raises `FcAssetsError`, naming the `setting`, where it would hold
    out more than half of the rows.
    """
    ids = sorted({_row(turn) for turn in turns}, key=lambda row: hashlib.sha256(row.encode()).digest())
    if 2 * rows > len(ids):
        raise FcAssetsError(
            f"{setting} = {rows} would hold out more than half of the {len(ids)} training rows; lower it"
        )
    held = set(ids[:rows])
    return [turn for turn in turns if _row(turn) not in held], [turn for turn in turns if _row(turn) in held]


def _row(turn: Turn) -> str:
    return _TURN_NUMBER.sub("", turn.id)
