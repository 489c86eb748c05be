"""Held-out turns are asked, and their answers judged, as the evaluation does it."""

from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from fc_assets.calls.conversations import read_turns
from fc_assets.training.sft.probe import AnswerProbe
from fc_assets_tests.training.conftest import FIVE_MINUTES, timer_turn


class Scripted:
    """A model that writes one text for each prompt it is given, and keeps the prompts."""

    def __init__(self, tokenizer: Any, answers: list[str]) -> None:
        self.device = "cpu"
        self.generation_config = GenerationConfig()
        self.training = True
        self.tokenizer = tokenizer
        self.answers = iter(answers)
        self.prompts: list[str] = []
        self.most_tokens = 0

    def eval(self) -> None:
        self.training = False

    def train(self, mode: bool) -> None:
        self.training = mode

    def generate(self, input_ids: torch.Tensor, generation_config: GenerationConfig, **_: Any) -> torch.Tensor:
        assert not self.training
        max_new_tokens = generation_config.max_new_tokens
        self.prompts += self.tokenizer.batch_decode(input_ids)
        self.most_tokens = max(self.most_tokens, input_ids.shape[0] * (input_ids.shape[1] + max_new_tokens))
        texts = [f"{next(self.answers)}<|im_end|>" for _ in input_ids]
        written = self.tokenizer(texts, padding=True, padding_side="right", return_tensors="pt").input_ids
        return torch.cat([input_ids, written], dim=1)


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
