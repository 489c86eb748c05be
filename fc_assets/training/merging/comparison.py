"""How far apart two models' next-token distributions are, in memory that does not grow with turns or vocabulary.

Logits of one turn of 2,048 tokens are 1.2 GB at Qwen3's vocabulary of 151,936. So the last hidden states are kept
(4 KB a token) and the output layer is applied to a few positions at a time. Which models are compared, and what
follows, belongs to `merge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.conversations import Turn
from fc_assets.training.jobs import ComparedTurns
from fc_assets.training.sequences import encode

ALL_COMPARED = ComparedTurns()
SLICE_BYTES = 32 << 20
"""Of one tensor of logits while two models are compared; some six of them live at once, 0.2 GB."""


@dataclass(frozen=True)
class Outputs:
    """What a model makes of some turns: logits, kept as their two factors.

    `hidden` are the last hidden states of all turns behind each other, (tokens, hidden size) in fp32 on the CPU; `head`
    is the model's own output matrix, (vocabulary, hidden size) on its device, in its type.
    """

    hidden: Any
    head: Any

    @property
    def tokens(self) -> int:
        """Tokens of all turns together."""
        return int(self.hidden.shape[0])


@dataclass(frozen=True)
class Difference:
    """How far the distributions of one model are from another's, over all tokens.

    `kl` is the mean Kullback-Leibler divergence in nats per token, `top1_agreement` the share of tokens for which both
    find the same next token likeliest. `rms` is the root mean square of the logits' difference, its mean over the
    vocabulary taken off, which changes no probability.
    """

    kl: float
    top1_agreement: float
    rms: float


def outputs(model: Any, tokenizer: Any, turns: Sequence[Turn], compared: ComparedTurns = ALL_COMPARED) -> Outputs:
    """What `model`, with its adapter if it carries one, makes of those of `turns` that are `compared`.

    The turns go through the model one by one. At Qwen3-0.6B's shape hidden states are at most 0.14 GB.
    """
    import torch
    from peft import PeftModel

    model.eval()
    causal = model.get_base_model() if isinstance(model, PeftModel) else model  # its layers carry the adapter
    hidden = []
    with torch.inference_mode():
        for turn in turns[: compared.turns]:
            ids = torch.tensor([encode(tokenizer, turn).input_ids[: compared.tokens]], device=causal.device)
            hidden.append(causal.base_model(input_ids=ids, use_cache=False).last_hidden_state[0].float().cpu())
    return Outputs(torch.cat(hidden), causal.get_output_embeddings().weight.detach())


def compare(truth: Outputs, found: Outputs) -> Difference:
    """How far `found` is from `truth` on the same turns, in fp32. The divergence is KL(truth || found)."""
    import torch

    if truth.hidden.shape != found.hidden.shape:
        raise ValueError(f"outputs of other turns: {tuple(truth.hidden.shape)} and {tuple(found.hidden.shape)}")
    rows = max(1, SLICE_BYTES // (4 * truth.head.shape[0]))
    divergence, agreements, squares = 0.0, 0, 0.0
    with torch.inference_mode():
        for start in range(0, truth.tokens, rows):
            wanted, given = _logits(truth, start, start + rows), _logits(found, start, start + rows)
            agreements += int((wanted.argmax(-1) == given.argmax(-1)).sum())
            squares += float((wanted - given).var(-1, correction=0).double().sum())
            wanted, given = wanted.log_softmax(-1), given.log_softmax(-1)
            divergence += float((wanted.exp() * (wanted - given)).sum(-1).double().sum())
    return Difference(divergence / truth.tokens, agreements / truth.tokens, (squares / truth.tokens) ** 0.5)


def _logits(model: Outputs, start: int, end: int) -> Any:
    """Logits of the tokens from `start` to `end`, (tokens, vocabulary) in fp32."""
    return model.hidden[start:end].to(model.head.device) @ model.head.float().T
