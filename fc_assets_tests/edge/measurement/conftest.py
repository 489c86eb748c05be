"""A small checkpoint as an F16 file, loaded by llama.cpp, and a tool that is hard to render."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fc_assets.edge.conversion.checkpoint import read_checkpoint
from fc_assets.edge.conversion.writer import write_gguf
from fc_assets.edge.measurement.llama_model import LlamaModel

TOOL = {
    "name": "get_weather",
    "description": "Weather in a city & its <surroundings>, for 'n' days",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": 'The city, such as "Zürich"'},
            "days": {"type": "integer", "description": "1 to 14", "default": 1},
        },
        "required": ["city"],
    },
}
QUERY = 'What\'s the weather in "Zürich" — and in 東京, for 12 days?\n'


@pytest.fixture(scope="package")
def f16_file(tmp_path_factory: pytest.TempPathFactory, checkpoint_folder: Path) -> Path:
    out = tmp_path_factory.mktemp("gguf") / "policy-F16.gguf"
    write_gguf(read_checkpoint(checkpoint_folder), out, "F16", name="tiny", source_digest="d")
    return out


@pytest.fixture(scope="package")
def model(f16_file: Path) -> LlamaModel:
    return LlamaModel(f16_file, context=512, threads=1)


def ids_of(tokenizer: Any, text: str) -> list[int]:
    """The ids that transformers gives `text`."""
    return tokenizer(text, add_special_tokens=False)["input_ids"]
