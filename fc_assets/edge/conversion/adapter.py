"""Writes a LoRA adapter, as peft saves it, as a GGUF adapter: one base file in memory, and a small file for each task.

llama.cpp adds `alpha / rank * B A` to the base's weights while it computes, as peft does; what it cannot compute so is
refused. Merged checkpoints are `writer`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from fc_assets.edge.conversion.checkpoint import StoredTensor, stored_tensors, widened
from fc_assets.edge.conversion.whole_file import whole_file
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import read_json

_ARCH = gguf.MODEL_ARCH.QWEN3
_PREFIX = "base_model.model."
_SIDES = {".lora_A.weight": ".lora_a", ".lora_B.weight": ".lora_b"}
"""The end of a tensor's name in peft, and in a GGUF adapter."""


def write_adapter(folder: Path, out: Path) -> int:
    """Write peft's adapter in `folder` to the file `out`, in float16; returns how many matrices it changes.

    Raises `FcAssetsError` when the folder holds no LoRA, or one that llama.cpp would apply otherwise than peft.
    """
    config = read_json(folder / "adapter_config.json")
    _refuse_unsupported(folder, config)
    tensors = stored_tensors(folder / "adapter_model.safetensors")
    layers = 1 + max((int(part) for each in tensors for part in each.name.split(".") if part.isdigit()), default=0)
    names = gguf.get_tensor_name_map(_ARCH, layers)
    with whole_file(out) as part:
        writer = gguf.GGUFWriter(part, gguf.MODEL_ARCH_NAMES[_ARCH])
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(config["lora_alpha"]))
        for tensor in tensors:
            writer.add_tensor(_name(tensor, names), _half(tensor))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return len(tensors) // len(_SIDES)


def _refuse_unsupported(folder: Path, config: Mapping[str, Any]) -> None:
    found = {
        f"type {config.get('peft_type')}": config.get("peft_type") != "LORA",
        "rank-stabilised scaling": bool(config.get("use_rslora")),
        "DoRA": bool(config.get("use_dora")),
        "a bias": config.get("bias", "none") != "none" or bool(config.get("lora_bias")),
        "an alpha or a rank of its own for some modules": bool(
            config.get("alpha_pattern") or config.get("rank_pattern")
        ),
        "whole modules beside the LoRA": bool(config.get("modules_to_save")),
    }
    reasons = [reason for reason, present in found.items() if present]
    if reasons:
        raise FcAssetsError(
            f"{folder / 'adapter_config.json'} names {', '.join(reasons)}; only a plain LoRA can be a GGUF adapter, so "
            "merge this one and convert the merged model"
        )


def _name(tensor: StoredTensor, names: gguf.TensorNameMap) -> str:
    for ending, side in _SIDES.items():
        if tensor.name.startswith(_PREFIX) and tensor.name.endswith(ending):
            found = names.get_name(tensor.name.removeprefix(_PREFIX).removesuffix(ending))
            if found is not None:
                return f"{found}.weight{side}"
    raise FcAssetsError(f"{tensor.file}: tensor {tensor.name} is no LoRA of a Qwen3 model; merge the adapter instead")


def _half(tensor: StoredTensor) -> np.ndarray:
    with np.errstate(over="ignore"):
        half = widened(tensor.read()).astype(np.float16)
    if not np.isfinite(half).all():
        raise FcAssetsError(
            f"{tensor.file}: tensor {tensor.name} has values that float16 cannot hold; look for the step that broke it"
        )
    return half
