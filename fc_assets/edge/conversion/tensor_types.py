"""Which tensor gets which type: llama.cpp's rules for the file types F16, Q8_0 and Q4_K_M, for dense Qwen3 models.

The rules are those of llama.cpp's `src/llama-quant.cpp` (llama_tensor_get_type and tensor_type_fallback). How a type
packs its values belongs to `ggml`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, LlamaFileType

from fc_assets.edge.gguf_files import GgufType
from fc_assets.errors import FcAssetsError

F16, F32 = GGMLQuantizationType.F16, GGMLQuantizationType.F32
Q4_K, Q5_0, Q6_K, Q8_0 = (
    GGMLQuantizationType.Q4_K,
    GGMLQuantizationType.Q5_0,
    GGMLQuantizationType.Q6_K,
    GGMLQuantizationType.Q8_0,
)

FILE_TYPES: dict[GgufType, LlamaFileType] = {
    "F16": LlamaFileType.MOSTLY_F16,
    "Q8_0": LlamaFileType.MOSTLY_Q8_0,
    "Q4_K_M": LlamaFileType.MOSTLY_Q4_K_M,
}
_BASE_TYPE: dict[GgufType, GGMLQuantizationType] = {"F16": F16, "Q8_0": Q8_0, "Q4_K_M": Q4_K}
# What llama.cpp takes where a row is no whole number of blocks of 256: blocks of 32.
_FALLBACK = {Q4_K: Q5_0, Q6_K: Q8_0}
_LAYER = re.compile(r"blk\.(\d+)\.")


def tensor_type(kind: GgufType, name: str, shape: Sequence[int], layers: int, tied: bool) -> GGMLQuantizationType:
    """The type that llama.cpp gives the tensor `name` in a file of type `kind`.

    `shape` is in numpy's order (the row's length last), `tied` says that the model has no output matrix of its own.
    Where a row does not divide into blocks this is llama.cpp's fallback; `wanted_type` is what it would have been.
    Raises `FcAssetsError` where llama.cpp gives up.
    """
    wanted = wanted_type(kind, name, shape, layers, tied)
    row = shape[-1]
    if row % _block(wanted) == 0:
        return wanted
    fallback = _FALLBACK.get(wanted, wanted)
    if row % _block(fallback) and fallback != wanted and not _is_output(name, tied):
        fallback = F16
    if row % _block(fallback):
        raise FcAssetsError(
            f"{name} has rows of {row} values, which {kind} cannot pack in blocks of {_block(fallback)}; leave {kind} "
            "out of edge.quantisations"
        )
    return fallback


def wanted_type(kind: GgufType, name: str, shape: Sequence[int], layers: int, tied: bool) -> GGMLQuantizationType:
    """The type by llama.cpp's rules for `kind`, whatever the length of the rows."""
    if len(shape) == 1 or name.endswith("_norm.weight"):
        return F32
    base = _BASE_TYPE[kind]
    if base is not Q4_K:
        return base
    if _is_output(name, tied):
        return Q6_K
    if name.endswith(("attn_v.weight", "ffn_down.weight")) and _gets_more_bits(_layer(name), layers):
        return Q6_K
    return Q4_K


def _is_output(name: str, tied: bool) -> bool:
    return name == ("token_embd.weight" if tied else "output.weight")


def _gets_more_bits(layer: int, layers: int) -> bool:
    """llama.cpp's use_more_bits: the first and last eighth of the layers, and every third in between."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _layer(name: str) -> int:
    match = _LAYER.match(name)
    if match is None:
        raise FcAssetsError(f"{name} belongs to no layer, so its type is not known; convert this model with llama.cpp")
    return int(match.group(1))


def _block(kind: GGMLQuantizationType) -> int:
    return int(GGML_QUANT_SIZES[kind][0])
