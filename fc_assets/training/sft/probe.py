"""The validation of a training run: held-out turns answered greedily and judged.

Which they are is `held_out`, how a model in training answers is `trainer.probe`; which checkpoint is kept is decided in
`sft_trainer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.conversations import Turn
from fc_assets.calls.judge import judge
from fc_assets.calls.prompts import render_prompt
from fc_assets.training.sequences import completion_text
from fc_assets.training.trainer.probe import answers

_ROOM = 2
"""An answer may have this many times the tokens of the longest expected one; a longer one is not going to match."""


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
        prompts = [render_prompt(self.tokenizer, turn.messages, turn.tools, thinking_off=True) for turn in self.turns]
        expected = self.tokenizer([completion_text(turn, "") for turn in self.turns], add_special_tokens=False)
        room = _ROOM * max(map(len, expected.input_ids))
        return answers(model, self.tokenizer, prompts, room, self.batch_tokens)
