"""Which turns GRPO is asked: those that can earn the full reward, with their share of turns that expect no call."""

from dataclasses import replace

import pytest
from transformers import Qwen2Tokenizer

from fc_assets.calls.call import Call
from fc_assets.errors import FcAssetsError
from fc_assets.training.grpo.prompt_selection import (
    draw_turns,
    prompt_lengths,
    without_capped_turns,
    without_overlong_turns,
)
from fc_assets_tests.training.conftest import FIVE_MINUTES, SIGNAL_WEIGHTS, timer_turn


def test_turns_whose_prompt_is_too_long_are_left_out_and_named(tokenizer: Qwen2Tokenizer) -> None:
    short = timer_turn("short", FIVE_MINUTES)
    long = replace(timer_turn("long", FIVE_MINUTES), messages=({"role": "user", "content": "five minutes " * 50},))
    fits = prompt_lengths(tokenizer, [short])["short"]
    lengths = prompt_lengths(tokenizer, [long, short])
    assert without_overlong_turns([long, short], lengths, fits) == ([short], ["long"])
    assert without_overlong_turns([long, short], lengths, lengths["long"]) == ([long, short], [])
    with pytest.raises(FcAssetsError, match=rf"the shortest has {fits}\); raise grpo\.max_prompt"):
        without_overlong_turns([long, short], lengths, fits - 1)


def test_rows_that_cannot_earn_the_full_reward_are_left_out() -> None:
    wrong_type = timer_turn("wrong", Call("set_timer", {"minutes": "five"}))
    unknown = timer_turn("unknown", Call("no_such_tool", {}))
    rows = [timer_turn("good", FIVE_MINUTES), wrong_type, unknown, timer_turn("refusal")]
    kept, capped = without_capped_turns(rows, SIGNAL_WEIGHTS)
    assert [row.id for row in kept] == ["good", "refusal"]
    assert capped == ["wrong", "unknown"]


def test_prompts_are_drawn_with_their_share_that_expects_no_call() -> None:
    rows = [timer_turn(f"call {n}", FIVE_MINUTES) for n in range(40)] + [timer_turn(f"none {n}") for n in range(4)]
    drawn = draw_turns(rows, 30, 0.2, seed=1)
    assert sum(not each.calls for each in drawn) == 6, "four rows that expect no call, two of them again"
    assert len({each.id for each in drawn if each.calls}) == 24
    assert drawn == draw_turns(rows, 30, 0.2, seed=1) != draw_turns(rows, 30, 0.2, seed=2)


def test_where_one_kind_of_row_is_missing_the_other_takes_its_place() -> None:
    calling, silent = [timer_turn("call", FIVE_MINUTES)], [timer_turn("none")]
    assert [each.id for each in draw_turns(calling, 3, 0.5, seed=1)] == ["call"] * 3
    assert [each.id for each in draw_turns(silent, 3, 0.5, seed=1)] == ["none"] * 3
