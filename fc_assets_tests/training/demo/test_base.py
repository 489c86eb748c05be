"""The embedded base model as it is shipped: a small checkpoint that everybody can load."""

import json
from pathlib import Path

from fc_assets.profiles import EMBEDDED
from fc_assets.training.checkpoint import inspect_checkpoint


def test_checkpoint_is_small_and_quantises_for_real(tokenizer):
    found = inspect_checkpoint(EMBEDDED)
    assert 1e6 < found.parameters < 4e6
    assert sum(file.stat().st_size for file in EMBEDDED.iterdir()) <= 12_000_000
    assert found.context == tokenizer.model_max_length == 2048
    assert found.vocabulary == len(tokenizer)
    config = json.loads((EMBEDDED / "config.json").read_text())
    assert config["hidden_size"] % 256 == config["intermediate_size"] % 256 == 0
    assert config["num_attention_heads"] * config["head_dim"] % 256 == 0
    generation = json.loads((EMBEDDED / "generation_config.json").read_text())
    assert tokenizer.convert_ids_to_tokens(generation["eos_token_id"]) == ["<|im_end|>", "<|endoftext|>"]


def test_written_folder_holds_what_a_checkpoint_needs():
    names = {file.name for file in Path(EMBEDDED).iterdir()}
    assert names == {
        "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json",
    }  # fmt: skip
