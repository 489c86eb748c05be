"""How much disk the steps take, in bytes: what they publish, and what they leave aside to resume from."""

from __future__ import annotations

from fc_assets.foundation.planning.shape import ModelShape
from fc_assets.foundation.planning.training_memory import BF16, FP32

_CHECKPOINTS = 3
"""A trainer keeps two checkpoints, and has three while it writes one."""
_ADAM_MOMENTS = 2
_TOKENIZER = 15_000_000
"""Tokenizer, configuration and report beside each set of weights (Qwen3's tokenizer.json has 11.4 MB)."""
GGUF_BITS = {"F16": 16.0, "Q8_0": 8.5, "Q4_K_M": 5.2}
"""Bits of a parameter in each type of file; Q4_K_M as the demo's file measured."""


def adapter_file(shape: ModelShape, rank: int) -> int:
    """An adapter as peft saves it, in fp32."""
    return shape.adapter_parameters(rank) * FP32 + _TOKENIZER


def resume_files(shape: ModelShape, rank: int) -> int:
    """A trainer's checkpoints: adapter, AdamW's moments in fp32 and the tokenizer, each as often as they are kept."""
    moments = _ADAM_MOMENTS * shape.adapter_parameters(rank) * FP32
    return _CHECKPOINTS * (adapter_file(shape, rank) + moments)


def model_files(shape: ModelShape, width: int = BF16) -> int:
    """A checkpoint of the whole model."""
    return shape.parameters * width + _TOKENIZER


def gguf_files(shape: ModelShape, quantisations: tuple[str, ...]) -> int:
    """F16 and the quantised files beside it."""
    return int(sum(shape.parameters * GGUF_BITS[kind] / 8 for kind in ("F16", *quantisations)))
