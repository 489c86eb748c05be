"""Checkpoints: described from their headers, or refused by the first thing that makes them unusable."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fc_assets.errors import FcAssetsError
from fc_assets.training.checkpoint import CheckpointFacts, inspect_checkpoint
from fc_assets_tests.training.conftest import write_weights


def edit(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def cut(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])


def test_a_checkpoint_is_described_over_all_its_shards(checkpoint: Path) -> None:
    write_weights(checkpoint / "model-2.safetensors", 7, dtype=torch.float32)
    size = sum(file.stat().st_size for file in checkpoint.glob("*.safetensors"))
    assert inspect_checkpoint(checkpoint) == CheckpointFacts(
        architecture="Qwen3ForCausalLM",
        parameters=300 * 256 + 7,
        dtype="BF16/F32",
        layers=2,
        hidden_size=256,
        vocabulary=1000,
        context=2048,
        weights_mb=size / 1e6,
    )


@pytest.mark.parametrize(("tied", "parameters"), [(True, 300), (False, 600)])
def test_an_output_matrix_that_is_the_embedding_counts_once(checkpoint: Path, tied: bool, parameters: int) -> None:
    """Qwen3-0.6B's file on the hub holds it under both names: 751.6 M values for 596.0 M parameters."""
    edit(checkpoint, tie_word_embeddings=tied)
    matrix = torch.zeros(30, 10)
    save_file({"model.embed_tokens.weight": matrix, "lm_head.weight": matrix.clone()}, checkpoint / "model.safetensors")
    assert inspect_checkpoint(checkpoint).parameters == parameters


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no .safetensors file"),
        (lambda folder: cut(folder / "model.safetensors", 4), "not a whole safetensors file"),
        (lambda folder: cut(folder / "model.safetensors", 40), "not a whole safetensors file"),
        (lambda folder: cut(folder / "model.safetensors", 100_000), "not a whole safetensors file"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("{}"), "no chat template"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read as JSON"),
        (lambda folder: edit(folder, architectures=["LlamaForCausalLM"]), "needs Qwen3ForCausalLM"),
        (lambda folder: edit(folder, auto_map={"AutoModel": "modeling_custom.Model"}), "code of its own"),
    ],
)
def test_unusable_checkpoints_are_refused_by_name(
    checkpoint: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(checkpoint)
    with pytest.raises(FcAssetsError, match=words):
        inspect_checkpoint(checkpoint)
