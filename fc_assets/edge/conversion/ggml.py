"""ggml's own quantisation kernels, called through ctypes in the library that xllamacpp ships.

So the bytes are llama.cpp's, without a compiler. Which tensor gets which type belongs to `tensor_types`.
"""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from fc_assets.errors import FcAssetsError


def quantise(values: np.ndarray, kind: GGMLQuantizationType) -> np.ndarray:
    """Pack a (rows, columns) array as `kind`: a uint8 array of shape (rows, bytes per row).

    Columns must be a multiple of the type's block (`tensor_types` chooses such a type) and values finite (`writer`
    checks them). Raises `FcAssetsError` when ggml finds its own result invalid.
    """
    rows, columns = values.shape
    block, block_bytes = GGML_QUANT_SIZES[kind]
    source = np.ascontiguousarray(values, dtype=np.float32)
    packed = np.empty((rows, columns // block * block_bytes), dtype=np.uint8)
    written = _library().ggml_quantize_chunk(
        int(kind),
        source.ctypes.data,
        packed.ctypes.data,
        0,
        rows,
        columns,
        None,  # no importance matrix
    )
    valid = _library().ggml_validate_row_data(int(kind), packed.ctypes.data, packed.nbytes)
    if written != packed.nbytes or not valid:
        raise FcAssetsError(
            f"ggml could not pack a {rows} x {columns} tensor as {kind.name}; install the locked version"
        )
    return packed


def build() -> str:
    """The version of ggml in use, for reports."""
    return str(_library().ggml_version().decode())


@cache
def _library() -> ctypes.CDLL:
    from xllamacpp import xllamacpp  # a library of 100 MB: loaded only where it is used

    library = ctypes.CDLL(xllamacpp.__file__)
    missing = [name for name in ("ggml_quantize_chunk", "ggml_validate_row_data") if not hasattr(library, name)]
    if missing:
        raise FcAssetsError(f"This build of xllamacpp does not export {', '.join(missing)}; install the locked version")
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = [
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
        *[ctypes.c_int64] * 3,
        ctypes.c_void_p,
    ]
    library.ggml_validate_row_data.restype = ctypes.c_bool
    library.ggml_validate_row_data.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
    library.ggml_version.restype = ctypes.c_char_p
    return library
