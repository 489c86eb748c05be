"""GGUF files hold the checkpoint's values, types and metadata, and the same bytes every time."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest
from safetensors.torch import load_file

from fc_assets.edge.conversion.checkpoint import read_checkpoint
from fc_assets.edge.conversion.header import find_differences, read_header
from fc_assets.edge.conversion.writer import write_gguf
from fc_assets.edge.gguf_files import SOURCE_DIGEST_KEY, GgufFile, GgufType
from fc_assets.errors import FcAssetsError
from fc_assets_tests.edge.conftest import write_checkpoint

DIGEST = "d" * 64
LLAMA_CPP: dict[GgufType, str] = {
    "F16": "8d7788fce902aa098614c83fd36543bab0df823891e802f778843b0b87423817",
    "Q8_0": "73314d48e97ea76b2ab53e40d6a9a3121067dd9f890153261c7fc2e7b9b81eba",
    "Q4_K_M": "2b85d1877cd0760cb998ce37d8283890bf644b6dc85137a1fd736e3bb2100579",
}
"""The digest of all tensors that llama.cpp 0.6's convert_hf_to_gguf.py and llama.cpp 0.5's llama_model_quantize made of
`checkpoint_folder`. `benchmarks.gguf_convert --checkpoint FOLDER` compares with them again."""


def _write(checkpoint: Path, out: Path, kind: GgufType) -> GgufFile:
    return write_gguf(read_checkpoint(checkpoint), out, kind, name="tiny", source_digest=DIGEST)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_f16_holds_every_value_of_the_source(tmp_path: Path, tokenizer_folder: Path, dtype: str) -> None:
    folder = write_checkpoint(tmp_path / "model", tokenizer_folder, dtype=dtype, tied=False)
    _write(folder, tmp_path / "f16.gguf", "F16")
    source = load_file(folder / "model.safetensors")
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, 2)
    written = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / "f16.gguf").tensors}
    assert len(written) == len(source)
    for name, values in source.items():
        tensor = written[names.get_name(name, try_suffixes=(".weight",))]
        stored = values.float().numpy()
        assert tensor.tensor_type.name == ("F32" if stored.ndim == 1 else "F16")
        assert np.array_equal(tensor.data, stored if stored.ndim == 1 else stored.astype(np.float16))


@pytest.mark.parametrize(
    ("kind", "types"),
    [
        ("Q8_0", {"F32": 9, "Q8_0": 15}),
        ("Q4_K_M", {"F32": 9, "Q4_K": 12, "Q6_K": 3}),
    ],
)
def test_quantised_files_hold_what_they_promise(
    tmp_path: Path, checkpoint_folder: Path, kind: str, types: dict[str, int]
) -> None:
    half, file = _write(checkpoint_folder, tmp_path / "f16.gguf", "F16"), tmp_path / f"{kind}.gguf"
    written = _write(checkpoint_folder, file, kind)
    assert written.types == types
    assert written.fallbacks == []
    assert written.bytes == file.stat().st_size < half.bytes
    before = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / "f16.gguf").tensors}
    for tensor in gguf.GGUFReader(file).tensors:
        exact = before[tensor.name].data.astype(np.float32)
        back = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert np.abs(back - exact).mean() <= 0.08 * np.abs(exact).mean()
    header = read_header(file, kind)
    assert (header.source_digest, header.tensors, header.wrong_types) == (DIGEST, 24, {})


def test_metadata_is_the_models_own(tmp_path: Path, checkpoint_folder: Path) -> None:
    _write(checkpoint_folder, tmp_path / "q8.gguf", "Q8_0")
    fields = {name: field.contents() for name, field in gguf.GGUFReader(tmp_path / "q8.gguf").fields.items()}
    tokenizer = json.loads((checkpoint_folder / "tokenizer.json").read_text(encoding="utf-8"))
    added = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    expected = {
        "general.architecture": "qwen3",
        "general.file_type": 7,
        "general.name": "tiny",
        SOURCE_DIGEST_KEY: DIGEST,
        "qwen3.block_count": 2,
        "qwen3.embedding_length": 256,
        "qwen3.feed_forward_length": 512,
        "qwen3.attention.head_count": 4,
        "qwen3.attention.head_count_kv": 2,
        "qwen3.attention.key_length": 64,
        "qwen3.rope.freq_base": 10000.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.eos_token_id": added["<|im_end|>"],
        "tokenizer.ggml.padding_token_id": added["<|endoftext|>"],
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": (checkpoint_folder / "chat_template.jinja").read_text(encoding="utf-8"),
    }
    assert {name: fields[name] for name in expected} == expected
    assert fields["tokenizer.ggml.tokens"][added["<tool_call>"]] == "<tool_call>"
    assert len(fields["tokenizer.ggml.merges"]) == len(tokenizer["model"]["merges"])


@pytest.mark.parametrize("kind", LLAMA_CPP)
def test_every_tensor_is_bit_for_bit_llama_cpps(tmp_path: Path, checkpoint_folder: Path, kind: GgufType) -> None:
    _write(checkpoint_folder, tmp_path / "ours.gguf", kind)
    found = {
        tensor.name: f"{tensor.tensor_type.name} {hashlib.sha256(tensor.data.tobytes()).hexdigest()}"
        for tensor in gguf.GGUFReader(tmp_path / "ours.gguf").tensors
    }
    assert len(found) == 24
    assert hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest() == LLAMA_CPP[kind]


@pytest.mark.parametrize("kind", ["F16", "Q4_K_M"])
def test_the_same_checkpoint_gives_the_same_bytes(tmp_path: Path, checkpoint_folder: Path, kind: str) -> None:
    first = _write(checkpoint_folder, tmp_path / "first.gguf", kind)
    moved = shutil.copytree(checkpoint_folder, tmp_path / "elsewhere")
    assert _write(moved, tmp_path / "second.gguf", kind).sha256 == first.sha256


def test_fallbacks_are_written_and_told(tmp_path: Path, tokenizer_folder: Path) -> None:
    folder = write_checkpoint(tmp_path / "model", tokenizer_folder, hidden=192, intermediate=416)
    written = _write(folder, tmp_path / "q4.gguf", "Q4_K_M")
    assert "token_embd.weight: Q8_0" in written.fallbacks
    assert "blk.0.attn_q.weight: Q5_0" in written.fallbacks
    assert read_header(tmp_path / "q4.gguf", "Q4_K_M").wrong_types["blk.0.attn_q.weight"] == "Q5_0, not Q4_K"


def test_a_file_under_another_name_is_found_out(tmp_path: Path, checkpoint_folder: Path) -> None:
    _write(checkpoint_folder, tmp_path / "q8.gguf", "Q8_0")
    wrong = read_header(tmp_path / "q8.gguf", "Q4_K_M").wrong_types
    assert wrong["general.file_type"] == "7, not 15"
    assert len(wrong) == 16


def test_a_file_of_another_release_is_found_out(tmp_path: Path, checkpoint_folder: Path) -> None:
    written = _write(checkpoint_folder, tmp_path / "q8.gguf", "Q8_0")
    assert find_differences(tmp_path, [written], DIGEST) == []
    assert find_differences(tmp_path, [written], "e" * 64) == [f"q8.gguf: made from {DIGEST}, not {'e' * 64}"]


@pytest.mark.parametrize("value", [1e5, np.nan])
def test_values_beyond_float16_are_refused_by_tensor(tmp_path: Path, tokenizer_folder: Path, value: float) -> None:
    def spoil(name: str, values: np.ndarray) -> np.ndarray:
        if name == "model.layers.1.mlp.up_proj.weight":
            values[3, 5] = value
        return values

    folder = write_checkpoint(tmp_path / "model", tokenizer_folder, fill=spoil)
    with pytest.raises(FcAssetsError, match=r"model\.layers\.1\.mlp\.up_proj\.weight has values that float16 cannot"):
        _write(folder, tmp_path / "f16.gguf", "F16")


def test_an_unmerged_adapter_is_refused(tmp_path: Path, checkpoint_folder: Path) -> None:
    from safetensors.torch import save_file

    folder = shutil.copytree(checkpoint_folder, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.0.self_attn.q_proj.lora_A.weight"] = tensors["model.norm.weight"].clone()
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(FcAssetsError, match="was an adapter left unmerged"):
        _write(folder, tmp_path / "f16.gguf", "F16")


@pytest.mark.parametrize(
    ("file", "reason"), [("chat_template.jinja", "chat_template"), ("tokenizer.json", "tokenizer")]
)
def test_a_checkpoint_without_its_tokenizer_is_refused(
    tmp_path: Path, checkpoint_folder: Path, file: str, reason: str
) -> None:
    folder = shutil.copytree(checkpoint_folder, tmp_path / "model")
    (folder / file).unlink()
    with pytest.raises(FcAssetsError, match=reason):
        _write(folder, tmp_path / "f16.gguf", "F16")


def test_what_is_no_gguf_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "policy-F16.gguf").write_bytes(b"GGUF?")
    with pytest.raises(FcAssetsError, match=r"policy-F16\.gguf is no GGUF file"):
        read_header(tmp_path / "policy-F16.gguf", "F16")
