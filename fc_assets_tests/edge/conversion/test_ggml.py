"""ggml's kernels through ctypes: the same bytes as gguf's own numpy code, and as llama.cpp's."""

from __future__ import annotations

import hashlib

import gguf
import numpy as np
import pytest

from fc_assets.edge.conversion.ggml import quantise

# sha256 of what ggml_quantize_chunk of a llama.cpp compiled from source gave for `weights()` (x86-64, AVX2).
LLAMA_CPP = {
    "Q8_0": "7a8810457324fba82fb23cf1cfe85c6dc246d324ca278498aced2f2b04405215",
    "Q4_K": "707bedab834d0bac1f0ba7dbbbcfe390549c38d2d33f0df0301fdf9c6f598556",
    "Q6_K": "a34b3d0c239bc097303ceef8a74a6ae977294a456e3a1a45f92acdf4d82bf36c",
}


def weights() -> np.ndarray:
    """A fixed (64, 512) matrix of float16 values that needs no random generator."""
    steps = np.arange(64 * 512, dtype=np.int64)
    return ((steps * 7919 % 4001 - 2000) / 16384).astype(np.float16).reshape(64, 512)


def test_q8_0_is_what_ggufs_numpy_code_gives() -> None:
    kind = gguf.GGMLQuantizationType.Q8_0
    values = np.random.default_rng(3).normal(0, 0.05, (48, 320)).astype(np.float32)
    assert np.array_equal(quantise(values, kind), gguf.quants.quantize(values, kind))


@pytest.mark.parametrize("kind", LLAMA_CPP)
def test_bytes_are_llama_cpps(kind: str) -> None:
    packed = quantise(weights(), gguf.GGMLQuantizationType[kind])
    assert hashlib.sha256(packed.tobytes()).hexdigest() == LLAMA_CPP[kind]


@pytest.mark.parametrize(("kind", "error"), [("Q8_0", 0.008), ("Q6_K", 0.025), ("Q4_K", 0.08)])
def test_values_survive_to_the_types_precision(kind: str, error: float) -> None:
    values = np.random.default_rng(4).normal(0, 1, (16, 512)).astype(np.float32)
    back = gguf.quants.dequantize(quantise(values, gguf.GGMLQuantizationType[kind]), gguf.GGMLQuantizationType[kind])
    assert np.abs(back - values).mean() / np.abs(values).mean() < error
