"""A probe is the same turns wherever it is drawn, and shares no row with what is learnt."""

from dataclasses import replace

from fc_assets.training.held_out import hold_out
from fc_assets_tests.training.conftest import timer_turn

TURNS = [timer_turn(f"row-{number}") for number in range(40)]
TALK = [replace(timer_turn("talk"), id=f"talk#{number}") for number in range(3)]


def test_a_smaller_probe_is_part_of_a_larger_one_and_order_does_not_matter() -> None:
    small, rest = hold_out(TURNS, 4)
    large, _ = hold_out(TURNS[::-1], 9)
    assert len(small) == 4 and len(large) == 9
    assert {turn.id for turn in small} < {turn.id for turn in large}
    assert [turn.id for turn in rest] == [turn.id for turn in TURNS if turn not in small]


def test_the_turns_of_a_conversation_stay_together() -> None:
    for count in range(1, 20):
        probe, rest = hold_out([*TURNS, *TALK], count)
        assert count <= len(probe) <= count + 2
        assert {turn.id.startswith("talk") for turn in probe if turn in TALK} in (set(), {True})
        assert sum(turn in TALK for turn in probe) in (0, 3) and len(probe) + len(rest) == 43


def test_half_of_the_turns_are_always_learnt() -> None:
    probe, rest = hold_out(TURNS[:5], 64)
    assert (len(probe), len(rest)) == (2, 3)
    assert hold_out(TURNS, 0) == ([], TURNS)
