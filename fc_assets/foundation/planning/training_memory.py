"""How much memory a trainer takes, in bytes, from the model's shape and the profile's settings.

The sums follow what torch 2.13, transformers 5.19, peft 0.21 and trl 1.16 keep for the backward pass; a test runs
their code without arithmetic (fake tensors) at the true shape and compares. Serving and sampling with vLLM is
`vllm_memory`; whether a sum fits a machine is `fit`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fc_assets.foundation.planning.shape import LINEAR_LAYERS, ModelShape

Device = Literal["cpu", "cuda"]

FP32 = 4
BF16 = 2
_ADAM_BYTES = 16
"""Of one trained parameter: weight, gradient and AdamW's two moments, in fp32 (peft keeps adapters in fp32)."""
_HEAD_TOKENS = 4096
_HEAD_COLUMNS = 32_768
"""Tile of logits that trl's fused loss holds (`TOKEN_CHUNK_SIZE`, `_CHUNKED_LOGPROB_CHUNK_SIZE`)."""
_TORCH_TILES = 4
"""Further tiles in fp32 where there is no Triton, as on a CPU: torch folds a tile in several steps."""
_TRANSIENT_PER_INTERMEDIATE = 12
"""Bytes for each token and element of the MLP that live only while one layer's backward pass runs: the gradient of its
inner activations, and the fp32 copy that enters an adapter. Measured: 27 to 36 KB a token at Qwen3-0.6B's shape."""
CUDA_CONTEXT = 550_000_000
"""What CUDA, cuBLAS and the kernels' code take on a card before the first tensor; an assumption, cards differ."""
ALLOCATOR_SLACK = 0.05
"""Share that PyTorch's allocator reserves and cannot use; an assumption."""
PROCESS_RAM = 1_500_000_000
"""Main memory of a Python process that has imported torch, transformers, peft and trl."""


@dataclass(frozen=True)
class MemorySum:
    """Parts of a sum by what they are for, in bytes."""

    parts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.parts.values())


@dataclass(frozen=True)
class TrainerLoad:
    """What a trainer holds at once.

    A micro-batch has `tokens`, padding included, in sequences of `length` tokens; `scored` of its tokens have a loss,
    which is all that the fused loss sees on a card. `width` is bytes of an activation: 2 in bf16, 4 in fp32.
    """

    tokens: int
    length: int
    scored: int
    rank: int
    dropout: bool
    checkpointing: bool
    width: int = BF16
    device: Device = "cuda"


def trainer_memory(shape: ModelShape, load: TrainerLoad) -> MemorySum:
    """Peak memory of LoRA training with trl's trainers on one device, without what CUDA and the process take."""
    adapter = shape.adapter_parameters(load.rank)
    kept = saved_per_layer(shape, load)
    layer_input = shape.hidden * load.width
    activations = layer_input * shape.layers + kept if load.checkpointing else kept * shape.layers
    return MemorySum(
        {
            "weights": shape.parameters * load.width,
            "adapter and optimizer": adapter * _ADAM_BYTES + (adapter * BF16 if load.width == BF16 else 0),
            "activations": load.tokens * activations,
            "attention mask": load.tokens * load.length * load.width,
            "backward of a layer": load.tokens * shape.intermediate * _TRANSIENT_PER_INTERMEDIATE,
            "loss": loss_memory(shape, load),
        }
    )


def saved_per_layer(shape: ModelShape, load: TrainerLoad) -> int:
    """Bytes that one decoder layer saves for its backward pass, for each token.

    Saved are: the adapters' inputs and their inner products; gate, activation and up projection; query, key, value
    (repeated to the number of query heads, because padded batches have a mask) and output of the attention; and, in
    fp32 whatever the width, the inputs of the four normalisations. A dropout adds its mask: a byte for each element on
    a card, fp32 on a CPU.
    """
    width = load.width
    adapter_inputs = shape.linear_inputs
    if width == FP32 and not load.dropout:  # nothing is converted: modules share the tensor that enters them
        adapter_inputs -= 3 * shape.hidden
    adapters = (adapter_inputs + LINEAR_LAYERS * load.rank) * width
    mlp = 3 * shape.intermediate * width
    attention = 4 * shape.query_size * width + FP32 * shape.heads
    norms = FP32 * (2 * shape.hidden + shape.query_size + shape.key_value_size)
    dropout_masks = shape.linear_inputs * (FP32 if load.device == "cpu" else 1) if load.dropout else 0
    return adapters + mlp + attention + norms + dropout_masks


def loss_memory(shape: ModelShape, load: TrainerLoad) -> int:
    """Bytes of trl's fused loss: one tile of logits, the hidden states that it scores, and their gradient in fp32.

    On a CPU every position is scored, and torch needs further tiles in fp32.
    """
    on_cpu = load.device == "cpu"
    scored = load.tokens if on_cpu else load.scored
    tile = min(scored, _HEAD_TOKENS) * min(shape.vocabulary, _HEAD_COLUMNS)
    return tile * (load.width + (_TORCH_TILES * FP32 if on_cpu else 0)) + scored * shape.hidden * (
        2 * load.width + FP32
    )


def on_device(parts: MemorySum, device: Device) -> MemorySum:
    """The sum, and what is taken besides tensors: by CUDA and the allocator on a card, by the process on a CPU."""
    besides = {"CUDA context": CUDA_CONTEXT} if device == "cuda" else {"process": PROCESS_RAM}
    return MemorySum({**parts.parts, "allocator": int(parts.total * ALLOCATOR_SLACK), **besides})


def at_rest(parts: MemorySum) -> MemorySum:
    """What a trainer keeps between its steps: weights and optimizer."""
    return MemorySum({name: parts.parts[name] for name in ("weights", "adapter and optimizer")})
