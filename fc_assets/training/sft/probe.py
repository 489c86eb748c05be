"""The validation of a training run: turns held out from the training split, answered greedily and judged.

They come from the training split, not from `sharegpt_val`: the evaluation judges the adapter on that one, and a
checkpoint that was chosen there would be judged on what it was chosen by. Whole rows are held out, so that no turn of
theirs is learnt. Which checkpoint is kept is decided in `sft_trainer`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from fc_assets.calls.conversations import Turn
from fc_assets.calls.judge import judge
from fc_assets.calls.prompts import render_prompt
from fc_assets.errors import FcAssetsError
from fc_assets.training.sequences import completion_text
from fc_assets.training.sft.micro_batches import micro_batches

_TURN_NUMBER = re.compile(r"#\d+$")
_ROOM = 2
"""An answer may have this many times the tokens of the longest expected one; a longer one is not going to match."""


def hold_out(turns: Sequence[Turn], rows: int, seed: int) -> tuple[list[Turn], list[Turn]]:
    """The turns to learn from, and those of `rows` rows drawn at random, both in their order.

    Raises `FcAssetsError` where that would leave fewer rows to learn from than it holds out.
    """
    ids = sorted({_row(turn) for turn in turns})
    if 2 * rows > len(ids):
        raise FcAssetsError(
            f"sft.validation_rows = {rows} would hold out more than half of the {len(ids)} training rows; lower it"
        )
    held = set(random.Random(seed).sample(ids, rows))
    return [turn for turn in turns if _row(turn) not in held], [turn for turn in turns if _row(turn) in held]


def _row(turn: Turn) -> str:
    return _TURN_NUMBER.sub("", turn.id)


@dataclass(frozen=True)
class AnswerProbe:
    """Asks the model that is being trained these turns, as the evaluation asks them: greedily, with thinking off.

    `batch_tokens` bounds the tokens, prompts and answers, that are in memory at once.
    """

    tokenizer: Any
    turns: Sequence[Turn]
    batch_tokens: int

    def __call__(self, model: Any) -> tuple[int, Mapping[str, float]]:
        """How many answers match exactly, and the shares of those that parse and that match."""
        judged = [
            judge(text, turn.tools, turn.calls)
            for turn, text in zip(self.turns, self.answers(model), strict=True)
        ]  # fmt: skip
        exact = sum(judgement.exact for judgement in judged)
        parsed = sum(judgement.parse_ok for judgement in judged)
        return exact, {"parse_rate": parsed / len(judged), "exact_match": exact / len(judged)}

    def answers(self, model: Any) -> list[str]:
        """The model's answer to each turn, without the token that ends it."""
        prompts = [self._prompt(turn) for turn in self.turns]
        room = _ROOM * max(len(self._ids(completion_text(turn, ""))) for turn in self.turns)
        found = [""] * len(prompts)
        for batch in micro_batches([len(prompt) + room for prompt in prompts], self.batch_tokens):
            for place, text in zip(batch, self._generate(model, [prompts[row] for row in batch], room), strict=True):
                found[place] = text
        return found

    def _prompt(self, turn: Turn) -> list[int]:
        return self._ids(render_prompt(self.tokenizer, turn.messages, turn.tools, thinking_off=True))

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False).input_ids
        return ids

    def _generate(self, model: Any, prompts: Sequence[list[int]], room: int) -> list[str]:
        padded = self.tokenizer.pad({"input_ids": prompts}, padding_side="left", return_tensors="pt")
        with torch.inference_mode():
            output = model.generate(
                **padded.to(model.device),
                max_new_tokens=room,
                eos_token_id=self.tokenizer.eos_token_id,
                pad_token_id=self.tokenizer.pad_token_id,
                use_cache=True,  # training has switched it off
                # A checkpoint may come with sampling settings of its own.
                **{"do_sample": False, "temperature": None, "top_p": None, "top_k": None},
            )
        written = output[:, padded["input_ids"].shape[1] :].tolist()
        end = self.tokenizer.eos_token_id
        return [self._text(ids[: ids.index(end)] if end in ids else ids) for ids in written]

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text
