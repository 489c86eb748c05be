"""What is held out is not learnt, is the same wherever it is drawn, and shares no row with what is learnt."""

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.training.held_out import hold_out
from fc_assets_tests.training.conftest import FIVE_MINUTES, timer_turn

SETTING = "sft.validation_rows"
TURNS = [timer_turn(name, FIVE_MINUTES) for name in ("a#0", "a#1", "b", "c#0", "c#1", "d#1", "e")]


def test_whole_rows_are_held_out_and_always_the_same() -> None:
    learnt, held = hold_out(TURNS, 2, SETTING)
    assert [turn for turn in TURNS if turn in learnt] == learnt and [turn for turn in TURNS if turn in held] == held
    assert len(learnt) + len(held) == len(TURNS)
    assert len({turn.id.split("#")[0] for turn in held}) == 2
    assert not {turn.id.split("#")[0] for turn in held} & {turn.id.split("#")[0] for turn in learnt}
    assert hold_out(TURNS, 0, SETTING) == (TURNS, [])


def test_fewer_rows_are_among_more_whatever_the_order() -> None:
    """So that GRPO's probe was not learnt in SFT, where that held out as many rows or more."""
    turns = [timer_turn(f"row-{number}") for number in range(40)]
    few, more = hold_out(turns, 4, SETTING)[1], hold_out(turns[::-1], 9, "grpo.probe_rows")[1]
    assert len(few) == 4 and len(more) == 9
    assert {turn.id for turn in few} < {turn.id for turn in more}


def test_more_is_learnt_than_held_out() -> None:
    turns = [timer_turn(str(number)) for number in range(5)]
    assert len(hold_out(turns, 2, SETTING)[1]) == 2
    with pytest.raises(FcAssetsError, match=r"sft\.validation_rows = 3 would hold out more than half of the 5"):
        hold_out(turns, 3, SETTING)
