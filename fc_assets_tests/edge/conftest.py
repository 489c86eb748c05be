"""Random Qwen3 checkpoints of any small shape with the embedded model's kind of tokenizer, splits, processes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fc_assets.foundation.child_processes.jobs import Job, JobFiles, Result, write_job

TEXTS = (
    'What is the weather in Zürich? {"name": "get_weather", "arguments": {"city": "Zürich", "days": 12}}',
    "Convert 3.5 miles to kilometres, please, and tell me the time in Tokyo.",
)
HEAD_DIM = 64
HEADS, KV_HEADS = 4, 2
TOOLS = [
    {
        "name": "get_weather",
        "description": "Weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


def tensor_shapes(layers: int, hidden: int, intermediate: int, vocab: int, tied: bool) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a Qwen3 model's tensors, as transformers saves them."""
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocab, hidden),
        "model.norm.weight": (hidden,),
    }
    if not tied:
        shapes["lm_head.weight"] = (vocab, hidden)
    for layer in range(layers):
        block = f"model.layers.{layer}."
        shapes |= {
            block + "input_layernorm.weight": (hidden,),
            block + "post_attention_layernorm.weight": (hidden,),
            block + "self_attn.q_proj.weight": (HEADS * HEAD_DIM, hidden),
            block + "self_attn.k_proj.weight": (KV_HEADS * HEAD_DIM, hidden),
            block + "self_attn.v_proj.weight": (KV_HEADS * HEAD_DIM, hidden),
            block + "self_attn.o_proj.weight": (hidden, HEADS * HEAD_DIM),
            block + "self_attn.q_norm.weight": (HEAD_DIM,),
            block + "self_attn.k_norm.weight": (HEAD_DIM,),
            block + "mlp.gate_proj.weight": (intermediate, hidden),
            block + "mlp.up_proj.weight": (intermediate, hidden),
            block + "mlp.down_proj.weight": (hidden, intermediate),
        }
    return shapes


def write_checkpoint(
    folder: Path,
    tokenizer: Path,
    *,
    layers: int = 2,
    hidden: int = 256,
    intermediate: int = 512,
    tied: bool = True,
    dtype: str = "float32",
    fill: Callable[[str, np.ndarray], np.ndarray] = lambda name, values: values,
    **config: object,
) -> Path:
    """Write a seeded random checkpoint; `fill` may change a tensor's float32 values, `config` fields of config.json."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    for file in tokenizer.iterdir():
        shutil.copyfile(file, folder / file.name)
    ids = json.loads((tokenizer / "tokenizer.json").read_text(encoding="utf-8"))
    vocab = max(token["id"] for token in ids["added_tokens"]) + 5  # models have spare rows
    random = np.random.default_rng(7)
    tensors = {}
    for name, shape in tensor_shapes(layers, hidden, intermediate, vocab, tied).items():
        values = np.ones(shape, np.float32) if len(shape) == 1 else random.normal(0, 0.05, shape).astype(np.float32)
        tensors[name] = torch.from_numpy(fill(name, values)).to(getattr(torch, dtype))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    settings = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_act": "silu",
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "tie_word_embeddings": tied,
        "vocab_size": vocab,
        **config,
    }
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def write_split(file: Path, rows: int) -> Path:
    """A ShareGPT split whose every row expects the weather in Bern; each second query is far longer."""
    call = json.dumps({"name": "get_weather", "arguments": {"city": "Bern"}})
    content = [
        {
            "id": str(number),
            "conversations": [
                {"from": "human", "value": "Weather in Bern?" + " please" * (200 * (number % 2))},
                {"from": "function_call", "value": call},
            ],
            "system": "",
            "tools": json.dumps(TOOLS),
        }
        for number in range(rows)
    ]
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def run_process(job: Job[Result], folder: Path) -> tuple[subprocess.CompletedProcess[str], JobFiles[Result]]:
    """Do `job` in its own process, as a step does, but without Dagster; its files lie in `folder`."""
    files = write_job(job, folder)
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    return subprocess.run(files.argv, capture_output=True, text=True, timeout=120, env=environment), files


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tokenizer with Qwen's split, the fixed parts of the tool prompt as added tokens, and Qwen3's template."""
    from fc_assets.training.demo.text import chat_template
    from fc_assets.training.demo.tokenizer import save_tokenizer, train_tokenizer

    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(TEXTS * 4), chat_template(), folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(tokenizer_folder: Path) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(tokenizer_folder)


@pytest.fixture(scope="session")
def checkpoint_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Path:
    """The smallest checkpoint whose Q4_K_M is real: rows of 256 and 512 values."""
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "model", tokenizer_folder)
