"""Which turns of the training split are kept out for a probe: the same in SFT and GRPO. Asking is `trainer.probe`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from fc_assets.calls.conversations import Turn


def hold_out(turns: Sequence[Turn], count: int) -> tuple[list[Turn], list[Turn]]:
    """About `count` turns for a probe, at most half of all, and the others; both in order.

    Whole rows are held out, those whose ids have the smallest digests, so that a smaller probe is part of a larger one.
    """
    wanted = min(count, len(turns) // 2)
    held: set[str] = set()
    in_order = sorted(turns, key=lambda turn: hashlib.sha256(_row(turn).encode()).digest())
    for found, turn in enumerate(in_order):
        if found >= wanted and _row(turn) not in held:
            break
        held.add(_row(turn))
    return [turn for turn in turns if _row(turn) in held], [turn for turn in turns if _row(turn) not in held]


def _row(turn: Turn) -> str:
    """The id of the row that a turn is of: turns of one conversation contain each other."""
    return turn.id.rpartition("#")[0] or turn.id
