"""What tests of several training modules need: a small checkpoint, the embedded model's tokenizer, a turn, a log."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer, Qwen2Tokenizer

from fc_assets.calls.call import Call
from fc_assets.calls.conversations import Turn
from fc_assets.calls.prompts import answer_text
from fc_assets.profiles import EMBEDDED
from fc_assets.training.jobs import MergeResult

SIGNAL_WEIGHTS = {"json_parse": 0.25, "schema_hit": 0.25, "simulated_exec": 0.25, "semantic_match": 0.25}
SET_TIMER = {
    "name": "set_timer",
    "description": "Start a timer.",
    "parameters": {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]},
}
MERGE = MergeResult(
    merge_error=0.05,
    adapter_kl=3.0,
    rounding_kl=0.2,
    top1_agreement=0.9,
    turns_compared=1,
    tokens_compared=10,
    parameters=1,
)
"""A merge beyond every bar."""
FIVE_MINUTES = Call("set_timer", {"minutes": 5})


def timer_turn(turn_id: str, *calls: Call) -> Turn:
    """A turn that offers `SET_TIMER` and expects `calls`."""
    query = "Set a timer for 5 minutes."
    return Turn(
        turn_id, ({"role": "user", "content": query},), query, (SET_TIMER,), calls, answer_text(calls) or "No.", {}
    )


class ListLog:
    """A run's log that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def info(self, message: str) -> None:
        self.lines.append(message)

    def warning(self, message: str) -> None:
        self.warnings.append(message)


def write_weights(file: Path, *shape: int, dtype: torch.dtype = torch.bfloat16) -> None:
    """A safetensors file with one tensor of zeros."""
    save_file({"weight": torch.zeros(shape, dtype=dtype)}, file)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A usable checkpoint folder of 300 x 256 parameters, with a pickle and code that must never be read."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "num_hidden_layers": 2,
        "hidden_size": 256,
        "vocab_size": 1000,
        "max_position_embeddings": 2048,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    write_weights(folder / "model.safetensors", 300, 256)
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    (folder / "modeling_custom.py").write_text("raise SystemExit")
    return folder


@pytest.fixture(scope="module")
def tokenizer() -> Qwen2Tokenizer:
    """The embedded model's tokenizer as people load it."""
    return AutoTokenizer.from_pretrained(EMBEDDED)
