"""The validation of a training run: held-out turns answered greedily and judged.

Which they are is `held_out`, how a model in training answers is `trainer.probe`; which checkpoint is kept is decided in
`sft_trainer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.control_text import token_ids
from fc_assets.calls.conversations import Turn
from fc_assets.training.sequences import completion_pieces
from fc_assets.training.trainer.probe import ask
from fc_assets.training.training_log import PROBE_EXACT, PROBE_PARSE

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
        expected = token_ids(self.tokenizer, [completion_pieces(turn, "") for turn in self.turns])
        room = _ROOM * max(map(len, expected))
        record = ask(model, self.tokenizer, self.turns, room, self.batch_tokens)
        exact = round(record[PROBE_EXACT] * len(self.turns))
        return exact, {"parse_rate": record[PROBE_PARSE], "exact_match": record[PROBE_EXACT]}
