"""Reads a Qwen3 checkpoint folder: its configuration, and its tensors one at a time as numpy arrays.

The safetensors files are read directly (8 bytes of header length, a JSON header, raw data), because numpy has no
bfloat16 and importing torch for a cast takes longer than the conversion. What the tensors become is not known here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fc_assets.errors import FcAssetsError

ARCHITECTURE = "Qwen3ForCausalLM"
_ITEM_BYTES = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True)
class StoredTensor:
    """One tensor in a safetensors file: its dtype (F32, F16 or BF16), its shape, and where its bytes begin."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int

    def read(self) -> np.ndarray:
        """The values, memory-mapped: float16 or float32 as stored, bfloat16 widened to float32 (exact)."""
        stored = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}[self.dtype]
        raw = np.memmap(self.file, dtype=stored, mode="r", offset=self.offset, shape=self.shape)
        return (raw.astype("<u4") << 16).view("<f4") if self.dtype == "BF16" else raw


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
    tensors = [tensor for file in files for tensor in _header(file)]
    if config.get("tie_word_embeddings"):
        tensors = [tensor for tensor in tensors if tensor.name != "lm_head.weight"]
    return Checkpoint(folder, config, tuple(tensors))


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises `FcAssetsError` when it is not there or not JSON."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FcAssetsError(f"{file} cannot be read as JSON ({error}); every checkpoint folder has it") from error


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


def _header(file: Path) -> list[StoredTensor]:
    """The tensors of one safetensors file, in the order of their bytes."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 0 < length < file.stat().st_size:
                raise ValueError(f"its header claims {length} bytes")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        ordered = sorted(header.items(), key=lambda item: item[1]["data_offsets"][0])
        tensors = [
            StoredTensor(name, item["dtype"], tuple(item["shape"]), file, 8 + length + item["data_offsets"][0])
            for name, item in ordered
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FcAssetsError(f"{file} is not a safetensors file ({error}); save the model again") from error
    size = file.stat().st_size
    for tensor in tensors:
        if tensor.dtype not in _ITEM_BYTES:
            raise FcAssetsError(
                f"{file}: tensor {tensor.name} has dtype {tensor.dtype}; save the model in float32, float16 or bfloat16"
            )
        if tensor.offset + math.prod(tensor.shape) * _ITEM_BYTES[tensor.dtype] > size:
            raise FcAssetsError(f"{file} ends within tensor {tensor.name}; copy or save the model again")
    return tensors
