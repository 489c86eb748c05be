"""What is held out is not learnt, and its answers are judged as the evaluation judges them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fc_assets.calls.conversations import read_turns
from fc_assets.errors import FcAssetsError
from fc_assets.training.sft.probe import AnswerProbe, hold_out
from fc_assets_tests.training.conftest import FIVE_MINUTES, timer_turn


class Scripted:
    """A model that writes one text for each prompt it is given, and keeps the prompts."""

    def __init__(self, tokenizer: Any, answers: list[str]) -> None:
        self.device = "cpu"
        self.tokenizer = tokenizer
        self.answers = iter(answers)
        self.prompts: list[str] = []
        self.most_tokens = 0

    def generate(self, input_ids: torch.Tensor, max_new_tokens: int, **_: Any) -> torch.Tensor:
        self.prompts += self.tokenizer.batch_decode(input_ids)
        self.most_tokens = max(self.most_tokens, input_ids.shape[0] * (input_ids.shape[1] + max_new_tokens))
        texts = [f"{next(self.answers)}<|im_end|>" for _ in input_ids]
        written = self.tokenizer(texts, padding=True, padding_side="right", return_tensors="pt").input_ids
        return torch.cat([input_ids, written], dim=1)


def test_whole_rows_are_held_out_and_always_the_same() -> None:
    turns = [timer_turn(name, FIVE_MINUTES) for name in ("a#0", "a#1", "b", "c#0", "c#1", "d#1", "e")]
    learnt, held = hold_out(turns, 2, seed=1)
    assert hold_out(turns, 2, seed=1) == (learnt, held)
    assert {turn.id for turn in learnt} | {turn.id for turn in held} == {turn.id for turn in turns}
    assert len({turn.id.split("#")[0] for turn in held}) == 2
    assert not {turn.id.split("#")[0] for turn in held} & {turn.id.split("#")[0] for turn in learnt}
    assert hold_out(turns, 0, seed=1) == (turns, [])


def test_more_is_learnt_than_held_out() -> None:
    turns = [timer_turn(str(number)) for number in range(5)]
    assert len(hold_out(turns, 2, seed=0)[1]) == 2
    with pytest.raises(FcAssetsError, match=r"sft\.validation_rows = 3 would hold out more than half of the 5"):
        hold_out(turns, 3, seed=0)


def test_answers_are_counted_that_parse_and_that_match(tokenizer: Any) -> None:
    turns = [timer_turn(name, FIVE_MINUTES) for name in "abc"]
    right = turns[0].answer
    model = Scripted(tokenizer, [right, right.replace("5", "6"), right[:-8]])
    exact, figures = AnswerProbe(tokenizer, turns, 10_000)(model)
    assert exact == 1
    assert figures == {"parse_rate": 2 / 3, "exact_match": 1 / 3}


def test_the_model_is_asked_as_the_evaluation_asks_and_not_all_at_once(tokenizer: Any, split: Path) -> None:
    turns = read_turns(split)[:6]
    model = Scripted(tokenizer, ["No."] * 6)
    AnswerProbe(tokenizer, turns, 600)(model)
    assert all(prompt.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n") for prompt in model.prompts)
    assert 0 < model.most_tokens <= 600


def test_each_answer_belongs_to_its_turn(tokenizer: Any, split: Path) -> None:
    """Prompts are asked sorted by length; the answers come back in the order of the turns."""
    turns = read_turns(split)[:6]

    class Echo(Scripted):
        def generate(self, input_ids: torch.Tensor, max_new_tokens: int, **_: Any) -> torch.Tensor:
            self.answers = iter(str(prompt.count("please")) for prompt in self.tokenizer.batch_decode(input_ids))
            return super().generate(input_ids, max_new_tokens)

    found = AnswerProbe(tokenizer, turns, 600).answers(Echo(tokenizer, []))
    assert found == [str(turn.query.count("please")) for turn in turns]
