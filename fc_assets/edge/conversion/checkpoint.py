"""Reads a Qwen3 checkpoint folder: its configuration, and its tensors one at a time as numpy arrays.

The safetensors files are read by gguf, because numpy has no bfloat16 and importing torch for a cast takes longer than
the conversion. What the tensors become is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf.utility import LocalTensor, SafetensorsLocal

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import read_json

ARCHITECTURE = "Qwen3ForCausalLM"
_STORED_AS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""numpy's type for the stored values of each supported dtype; of bfloat16 the bits, for want of the type."""


@dataclass(frozen=True)
class StoredTensor:
    """One tensor in a safetensors file: its dtype (F32, F16 or BF16), its shape, and where it lies."""

    name: str
    file: Path
    local: LocalTensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Its dimensions in numpy's order."""
        return tuple(self.local.shape)

    def read(self) -> np.ndarray:
        """The values as they are stored, memory-mapped: float32, float16, or bfloat16's bits; `widened` reads those."""
        stored: np.ndarray = self.local.mmap_bytes().view(_STORED_AS[self.local.dtype]).reshape(self.shape)
        return stored


def widened(values: np.ndarray) -> np.ndarray:
    """What `StoredTensor.read` gave, as float32 or float16: bfloat16, the upper half of float32, is widened (exact)."""
    return (values.astype("<u4") << 16).view("<f4") if values.dtype == np.dtype("<u2") else values


@dataclass(frozen=True)
class Checkpoint:
    """A Qwen3 model on disk. `tensors` is ordered by file and position."""

    folder: Path
    config: Mapping[str, Any]
    tensors: tuple[StoredTensor, ...]

    @property
    def layers(self) -> int:
        """Number of transformer blocks."""
        return int(self.config["num_hidden_layers"])

    @property
    def parameters(self) -> int:
        """Number of stored values, tied ones counted once."""
        return sum(math.prod(tensor.shape) for tensor in self.tensors)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Read config.json and the headers of model*.safetensors in `folder`.

    Where the embeddings are tied, a stored copy of the output matrix is left out. Raises `FcAssetsError` when a file is
    missing, or when the model is not a plain Qwen3: then a converted file would load, and answer wrongly.
    """
    config = read_json(folder / "config.json")
    _refuse_unsupported(folder, config)
    files = sorted(folder.glob("model*.safetensors"))
    if not files:
        raise FcAssetsError(f"{folder} has no model*.safetensors; save the model there with save_pretrained")
    tensors = [tensor for file in files for tensor in stored_tensors(file)]
    if config.get("tie_word_embeddings"):
        tensors = [tensor for tensor in tensors if tensor.name != "lm_head.weight"]
    return Checkpoint(folder, config, tuple(tensors))


def _refuse_unsupported(folder: Path, config: Mapping[str, Any]) -> None:
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    found = {
        f"architectures {config.get('architectures')}": config.get("architectures") != [ARCHITECTURE],
        f"RoPE scaling {rope.get('rope_type')!r}": rope.get("rope_type", "default") != "default",
        "sliding-window attention": bool(config.get("use_sliding_window")),
        "quantised weights": "quantization_config" in config,
        f"activation {config.get('hidden_act')!r}": config.get("hidden_act") != "silu",
    }
    reasons = [reason for reason, present in found.items() if present]
    if reasons:
        raise FcAssetsError(
            f"{folder / 'config.json'} names {', '.join(reasons)}; only a plain {ARCHITECTURE} can be written as GGUF "
            "here, so convert this model with llama.cpp's convert_hf_to_gguf.py"
        )


def stored_tensors(file: Path) -> list[StoredTensor]:
    """The tensors of one safetensors file, in the order of their bytes. Raises `FcAssetsError` if it is damaged."""
    try:
        found = SafetensorsLocal(file).tensors
        size = file.stat().st_size
        for name, tensor in found.items():
            if tensor.dtype not in _STORED_AS:
                raise FcAssetsError(
                    f"{file}: tensor {name} has dtype {tensor.dtype}; save the model in float32, float16 or bfloat16"
                )
            if tensor.data_range.size != math.prod(tensor.shape) * np.dtype(_STORED_AS[tensor.dtype]).itemsize:
                raise ValueError(f"tensor {name} has {tensor.data_range.size} bytes for the shape {tensor.shape}")
            if tensor.data_range.offset + tensor.data_range.size > size:
                raise FcAssetsError(f"{file} ends within tensor {name}; copy or save the model again")
        ordered = sorted(found.items(), key=lambda item: item[1].data_range.offset)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise FcAssetsError(f"{file} is not a safetensors file ({error}); save the model again") from error
    return [StoredTensor(name, file, tensor) for name, tensor in ordered]
