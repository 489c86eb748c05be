"""The embedded base model as it is shipped: a small checkpoint that everybody can load."""

import json
from pathlib import Path

import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from fc_assets.profiles import EMBEDDED
from fc_assets.training.checkpoint import inspect_checkpoint
from fc_assets.training.demo.base import MAX_VALUES_LOSS, values_loss
from fc_assets.training.demo.text import render
from fc_assets.training.trainer.checkpoints import load_checkpoint, save_checkpoint
from fc_assets_tests.training.demo.conftest import GET_WEATHER


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


def test_a_release_read_with_another_base_of_rotation_answers_otherwise(tokenizer, tmp_path):
    """Readers that lose it take 10,000 and say nothing: on the embedded model, as on Qwen3-0.6B, that must show."""
    model, _ = load_checkpoint(EMBEDDED, bf16=False)
    save_checkpoint(model, EMBEDDED, tmp_path)
    ids = torch.tensor([tokenizer(render("Check the weather in Oslo", [GET_WEATHER]))["input_ids"]])
    wanted = logits(tmp_path, ids)
    torch.testing.assert_close(wanted, logits(EMBEDDED, ids))

    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 1_000_000.0
    file.write_text(json.dumps({key: value for key, value in config.items() if not key.startswith("rope_")}))
    assert Qwen3Config.from_pretrained(tmp_path).rope_parameters["rope_theta"] == 10_000.0
    assert (logits(tmp_path, ids) - wanted).abs().max() > 1.0


def test_it_copies_values_and_with_the_weights_of_another_rotation_it_would_be_refused(tokenizer):
    model, _ = load_checkpoint(EMBEDDED, bf16=False)
    assert values_loss(model, tokenizer, seed=0) < MAX_VALUES_LOSS
    lost = Qwen3ForCausalLM(
        Qwen3Config.from_pretrained(EMBEDDED, rope_parameters={"rope_type": "default", "rope_theta": 10_000.0})
    )
    lost.load_state_dict(model.state_dict())
    assert values_loss(lost, tokenizer, seed=0) > MAX_VALUES_LOSS


def logits(folder, ids):
    model, _ = load_checkpoint(folder, bf16=False)
    with torch.inference_mode():
        return model(input_ids=ids).logits
