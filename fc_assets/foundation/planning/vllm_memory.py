"""How much of a card vLLM takes, and how many tokens its KV cache holds, in bytes. Training is `training_memory`.

vLLM is given a share of the whole card. From it come weights, what a step takes, and the KV cache with the rest; it
refuses to start where the cache does not hold one sequence of `max_model_len` tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

from fc_assets.foundation.planning.shape import ModelShape
from fc_assets.foundation.planning.training_memory import BF16, CUDA_CONTEXT, FP32

CUDA_GRAPHS = 300_000_000
"""What captured CUDA graphs take outside the share; an assumption for a model of half a billion parameters."""
COLOCATED_BATCHED_TOKENS = 4096
"""`max_num_batched_tokens` of the vLLM inside trl's GRPO trainer, which has no setting for it."""
_SAMPLER_BYTES = 3 * FP32
"""Of a logit: logits, probabilities and sorted probabilities in fp32."""


@dataclass(frozen=True)
class VllmLoad:
    """A vLLM engine on one card: `share` of `card` bytes, lengths in tokens; `colocated` with a trainer or alone."""

    card: int
    share: float
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int = COLOCATED_BATCHED_TOKENS
    colocated: bool = False
    eager: bool = False
    width: int = BF16

    @property
    def budget(self) -> int:
        """Bytes that vLLM may take."""
        return int(self.card * self.share)

    @property
    def taken(self) -> int:
        """Bytes that are gone from the card: the budget, and the graphs beside it."""
        return self.budget + (0 if self.eager else CUDA_GRAPHS)


def kv_bytes_per_token(shape: ModelShape, width: int = BF16) -> int:
    """Bytes of KV cache for one token: layers x (key and value) x heads x head size x width.

    112 KiB for Qwen3-0.6B in bf16.
    """
    return shape.layers * 2 * shape.key_value_size * width


def working_memory(shape: ModelShape, load: VllmLoad) -> int:
    """Bytes that vLLM needs besides its KV cache: weights, a step's activations, the sampler, CUDA where alone."""
    per_token = (3 * shape.intermediate + 4 * shape.hidden + shape.query_size + 2 * shape.key_value_size) * load.width
    sampler = load.max_num_seqs * shape.vocabulary * _SAMPLER_BYTES
    context = 0 if load.colocated else CUDA_CONTEXT
    return shape.parameters * load.width + load.max_num_batched_tokens * per_token + sampler + context


def kv_tokens(shape: ModelShape, load: VllmLoad) -> int:
    """Tokens that the KV cache holds; 0 where the share does not even hold the weights."""
    return max(0, load.budget - working_memory(shape, load)) // kv_bytes_per_token(shape, load.width)


def least_share(shape: ModelShape, load: VllmLoad) -> float:
    """The smallest share of the card with which vLLM starts: one sequence of `max_model_len` fits. May exceed 1."""
    cache = load.max_model_len * kv_bytes_per_token(shape, load.width)
    return (working_memory(shape, load) + cache) / load.card
