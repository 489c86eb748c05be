"""Turns from which nothing can be learnt are found before training, once."""

from collections.abc import Sequence
from pathlib import Path

from transformers import Qwen2Tokenizer

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import answer_text
from fc_assets.profiles import GrpoSettings
from fc_assets.training.grpo.candidates import Found, differ, teaching_turns
from fc_assets_tests.training.conftest import FIVE_MINUTES, SIGNAL_WEIGHTS, ListLog, timer_turn

RIGHT, WRONG = answer_text([FIVE_MINUTES]), answer_text([Call("set_timer", {"minutes": 9})])
TURNS = [timer_turn(f"call {number}", FIVE_MINUTES) for number in range(6)] + [timer_turn("none")]
SETTINGS = GrpoSettings(steps=2, prompts_per_step=2, generations=4, candidates_per_prompt=2, no_call_share=0.25)


def test_only_different_rewards_teach() -> None:
    turn = TURNS[0]
    assert differ(turn, [RIGHT, RIGHT, WRONG], SIGNAL_WEIGHTS)
    assert not differ(turn, [RIGHT, RIGHT + "\n"], SIGNAL_WEIGHTS)
    assert not differ(turn, ["no", "json"], SIGNAL_WEIGHTS)


def test_groups_that_earn_the_same_are_left_out_and_turns_without_a_call_stay(
    tmp_path: Path, tokenizer: Qwen2Tokenizer
) -> None:
    asked: list[int] = []

    def sample(prompts: Sequence[str]) -> list[str]:
        """Every other group differs."""
        asked.append(len(prompts))
        groups = [[RIGHT, WRONG, RIGHT, RIGHT] if group % 2 else [RIGHT] * 4 for group in range(len(prompts) // 4)]
        return [text for group in groups for text in group]

    turns, found = teaching_turns(TURNS, sample, tokenizer, SETTINGS, tmp_path / "new", ListLog())
    assert asked == [6 * 4] and (found.sampled, found.left_out) == (6, 3)
    assert sum(bool(turn.calls) for turn in turns) == 3 and TURNS[-1] in turns
    again, same = teaching_turns(TURNS, sample, tokenizer, SETTINGS, tmp_path / "new", ListLog())
    assert (again, same) == (turns, found) and asked == [6 * 4], "an attempt that resumes samples nothing anew"


def test_where_nothing_teaches_all_are_asked(tmp_path: Path, tokenizer: Qwen2Tokenizer) -> None:
    log = ListLog()
    turns, found = teaching_turns(TURNS, lambda prompts: [RIGHT] * len(prompts), tokenizer, SETTINGS, tmp_path, log)
    assert len(turns) == 7 and found == Found([turn.id for turn in turns], sampled=6, left_out=0)
    assert log.warnings == ["no candidate teaches anything: all are asked"]
