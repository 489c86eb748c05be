"""Checkpoint folders are read value for value, and refused in one sentence where they cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from fc_assets.edge.conversion.checkpoint import read_checkpoint, widened
from fc_assets.errors import FcAssetsError
from fc_assets_tests.edge.conftest import write_checkpoint


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_values_are_those_that_safetensors_reads(tmp_path: Path, tokenizer_folder: Path, dtype: str) -> None:
    folder = write_checkpoint(tmp_path / "model", tokenizer_folder, dtype=dtype)
    expected = load_file(folder / "model.safetensors")
    checkpoint = read_checkpoint(folder)
    assert {tensor.name for tensor in checkpoint.tensors} == set(expected)
    for tensor in checkpoint.tensors:
        assert np.array_equal(widened(tensor.read()).astype(np.float32), expected[tensor.name].float().numpy())


def test_shards_are_read_together(tmp_path: Path, checkpoint_folder: Path) -> None:
    tensors = sorted(load_file(checkpoint_folder / "model.safetensors").items())
    save_file(dict(tensors[:5]), tmp_path / "model-00001-of-00002.safetensors")
    save_file(dict(tensors[5:]), tmp_path / "model-00002-of-00002.safetensors")
    (tmp_path / "config.json").write_bytes((checkpoint_folder / "config.json").read_bytes())
    assert {tensor.name for tensor in read_checkpoint(tmp_path).tensors} == {name for name, _ in tensors}


def test_a_stored_copy_of_tied_embeddings_is_left_out(tmp_path: Path, tokenizer_folder: Path) -> None:
    folder = write_checkpoint(tmp_path / "model", tokenizer_folder, tied=False, tie_word_embeddings=True)
    assert "lm_head.weight" not in {tensor.name for tensor in read_checkpoint(folder).tensors}


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("architectures", ["LlamaForCausalLM"], "LlamaForCausalLM"),
        ("rope_parameters", {"rope_type": "yarn", "factor": 4.0}, "yarn"),
        ("use_sliding_window", True, "sliding-window"),
        ("quantization_config", {"quant_method": "gptq"}, "quantised weights"),
        ("hidden_act", "gelu", "gelu"),
    ],
)
def test_what_a_gguf_file_would_get_wrong_is_refused(
    tmp_path: Path, checkpoint_folder: Path, field: str, value: object, named: str
) -> None:
    config = json.loads((checkpoint_folder / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, field: value}), encoding="utf-8")
    with pytest.raises(FcAssetsError, match=named):
        read_checkpoint(tmp_path)


def test_broken_files_are_named(tmp_path: Path, checkpoint_folder: Path) -> None:
    with pytest.raises(FcAssetsError, match=r"config\.json cannot be read"):
        read_checkpoint(tmp_path)
    (tmp_path / "config.json").write_bytes((checkpoint_folder / "config.json").read_bytes())
    with pytest.raises(FcAssetsError, match=r"has no model\*\.safetensors"):
        read_checkpoint(tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"not a tensor file")
    with pytest.raises(FcAssetsError, match="is not a safetensors file"):
        read_checkpoint(tmp_path)
    file.write_bytes((checkpoint_folder / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(FcAssetsError, match="ends within tensor"):
        read_checkpoint(tmp_path)
    file.write_bytes(b"\x02" + b"\x00" * 7 + b"[]")
    with pytest.raises(FcAssetsError, match="is not a safetensors file"):
        read_checkpoint(tmp_path)
    header = json.dumps({"model.norm.weight": {"dtype": "F32", "shape": [4], "data_offsets": [0, 8]}}).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + b"\x00" * 16)
    with pytest.raises(FcAssetsError, match=r"model\.norm\.weight has 8 bytes for the shape \(4,\)"):
        read_checkpoint(tmp_path)
    save_file({"model.norm.weight": torch.ones(4, dtype=torch.int64)}, file)
    with pytest.raises(FcAssetsError, match="dtype I64"):
        read_checkpoint(tmp_path)
