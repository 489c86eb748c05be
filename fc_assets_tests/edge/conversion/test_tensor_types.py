"""The type rules, compared with what llama.cpp's own llama-quantize printed for the same shapes."""

from __future__ import annotations

import math

import pytest
from gguf import GGML_QUANT_SIZES

from fc_assets.edge.conversion.tensor_types import tensor_type, wanted_type
from fc_assets.edge.gguf_files import GgufType
from fc_assets.errors import FcAssetsError

# Layers whose attn_v and ffn_down llama_model_quantize made Q6_K, by number of layers (Qwen3-0.6B has 28, 8B has 36).
Q6_K_LAYERS = {
    2: {1},
    3: {2},
    5: {2, 4},
    13: {0, 3, 6, 9, 11, 12},
    28: {0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 24, 25, 26, 27},
    36: {0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 31, 32, 33, 34, 35},
}


@pytest.mark.parametrize("layers", Q6_K_LAYERS)
@pytest.mark.parametrize("name", ["attn_v", "ffn_down"])
def test_more_bits_go_to_the_layers_that_llama_cpp_chooses(layers: int, name: str) -> None:
    chosen = {
        layer
        for layer in range(layers)
        if wanted_type("Q4_K_M", f"blk.{layer}.{name}.weight", (256, 256), layers, tied=True).name == "Q6_K"
    }
    assert chosen == Q6_K_LAYERS[layers]


@pytest.mark.parametrize(
    ("kind", "name", "tied", "expected"),
    [
        ("Q4_K_M", "token_embd.weight", True, "Q6_K"),
        ("Q4_K_M", "token_embd.weight", False, "Q4_K"),
        ("Q4_K_M", "output.weight", False, "Q6_K"),
        ("Q4_K_M", "blk.0.attn_q.weight", True, "Q4_K"),
        ("Q8_0", "token_embd.weight", True, "Q8_0"),
        ("Q8_0", "blk.1.ffn_down.weight", True, "Q8_0"),
        ("F16", "blk.1.ffn_down.weight", True, "F16"),
    ],
)
def test_matrices(kind: str, name: str, tied: bool, expected: str) -> None:
    assert wanted_type(kind, name, (512, 256), 2, tied).name == expected


@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q4_K_M"])
@pytest.mark.parametrize("name", ["output_norm.weight", "blk.0.attn_q_norm.weight"])
def test_norms_stay_in_full_precision(kind: str, name: str) -> None:
    assert tensor_type(kind, name, (64,), 2, tied=True).name == "F32"


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("blk.0.attn_q.weight", 192, "Q5_0"),
        ("blk.1.ffn_down.weight", 416, "Q8_0"),
        ("token_embd.weight", 192, "Q8_0"),
        ("blk.0.ffn_down.weight", 104, "F16"),
    ],
)
def test_rows_that_do_not_divide_fall_back_as_in_llama_cpp(name: str, row: int, expected: str) -> None:
    assert tensor_type("Q4_K_M", name, (64, row), 2, tied=True).name == expected


@pytest.mark.parametrize(("kind", "name"), [("Q8_0", "blk.0.ffn_down.weight"), ("Q4_K_M", "token_embd.weight")])
def test_rows_that_llama_cpp_cannot_pack_are_refused_by_name(kind: str, name: str) -> None:
    with pytest.raises(FcAssetsError, match=rf"{name} has rows of 104 values.*{kind}"):
        tensor_type(kind, name, (64, 104), 2, tied=True)


@pytest.mark.parametrize(("kind", "mb"), [("F16", 1192.2), ("Q8_0", 633.5), ("Q4_K_M", 390.8)])
def test_qwen3_0_6b_has_the_size_of_the_published_files(kind: GgufType, mb: float) -> None:
    """Its tensors alone: names, the tokenizer and padding add 5.9 MB to each, to 639.4 and 396.7 MB."""
    hidden, intermediate, layers, heads, kv_heads, head = 1024, 3072, 28, 16, 8, 128
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (151_936, hidden), "output_norm": (hidden,)}
    for layer in range(layers):
        for name, shape in {
            "attn_norm": (hidden,),
            "ffn_norm": (hidden,),
            "attn_q_norm": (head,),
            "attn_k_norm": (head,),
            "attn_q": (heads * head, hidden),
            "attn_k": (kv_heads * head, hidden),
            "attn_v": (kv_heads * head, hidden),
            "attn_output": (hidden, heads * head),
            "ffn_gate": (intermediate, hidden),
            "ffn_up": (intermediate, hidden),
            "ffn_down": (hidden, intermediate),
        }.items():
            shapes[f"blk.{layer}.{name}"] = shape
    assert sum(math.prod(shape) for shape in shapes.values()) == 596_049_920
    total = 0
    for name, shape in shapes.items():
        block, block_bytes = GGML_QUANT_SIZES[tensor_type(kind, f"{name}.weight", shape, layers, tied=True)]
        total += math.prod(shape) // block * block_bytes
    assert total / 1e6 == pytest.approx(mb, abs=0.1)
