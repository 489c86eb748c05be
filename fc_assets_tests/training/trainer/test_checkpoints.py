"""Checkpoints as they are saved and loaded: any reader understands them, in the type that is asked for."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoTokenizer, Qwen3Config

from fc_assets.edge.conversion.checkpoint import read_checkpoint
from fc_assets.errors import FcAssetsError
from fc_assets.profiles import EMBEDDED, LoraSettings
from fc_assets.training.trainer import checkpoints
from fc_assets.training.trainer.arguments import lora_config
from fc_assets.training.trainer.checkpoints import copy_tokenizer, load_checkpoint, portable_config, save_checkpoint

SCALED = {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 32768}


def as_transformers_5_writes_it(**settings: object) -> dict[str, object]:
    return {"model_type": "qwen3", "dtype": "bfloat16", **settings}


def test_the_base_of_rotation_stands_where_both_majors_look() -> None:
    plain = as_transformers_5_writes_it(rope_parameters={"rope_type": "default", "rope_theta": 1e6})
    found = portable_config(plain)
    assert (found["rope_theta"], found["rope_scaling"], found["torch_dtype"]) == (1e6, None, "bfloat16")
    assert {**plain, **found} == found, "what was there stays"


def test_a_scaled_rotation_keeps_its_scaling() -> None:
    found = portable_config(as_transformers_5_writes_it(rope_parameters=SCALED))
    assert found["rope_theta"] == 1e6
    assert found["rope_scaling"] == {name: value for name, value in SCALED.items() if name != "rope_theta"}


@pytest.mark.parametrize("rope", [{"rope_type": "default", "rope_theta": 1e6}, SCALED])
def test_transformers_5_reads_the_same_configuration_as_before(tmp_path: Path, rope: dict[str, object]) -> None:
    config = Qwen3Config(num_hidden_layers=2, rope_parameters=rope, dtype="bfloat16", max_position_embeddings=131072)
    config.save_pretrained(tmp_path)
    before = AutoConfig.from_pretrained(tmp_path).to_dict()
    file = tmp_path / "config.json"
    file.write_text(json.dumps(portable_config(json.loads(file.read_text()))))
    assert AutoConfig.from_pretrained(tmp_path).to_dict() == before


def test_a_saved_checkpoint_has_the_tokenizer_of_its_source_and_can_be_converted(tmp_path: Path) -> None:
    model, _ = load_checkpoint(EMBEDDED, bf16=False)
    save_checkpoint(model, EMBEDDED, tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (tmp_path / name).read_bytes() == (EMBEDDED / name).read_bytes()
    source, saved = (json.loads((folder / "config.json").read_text()) for folder in (EMBEDDED, tmp_path))
    assert saved["rope_theta"] == source["rope_parameters"]["rope_theta"]
    assert read_checkpoint(tmp_path).parameters == read_checkpoint(EMBEDDED).parameters


def test_special_tokens_get_the_name_that_both_majors_know(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED, extra_special_tokens=["<|im_start|>"])
    tokenizer.save_pretrained(tmp_path / "source")
    assert "extra_special_tokens" in json.loads((tmp_path / "source" / "tokenizer_config.json").read_text())
    copy_tokenizer(tmp_path / "source", tmp_path / "out")
    config = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert config["additional_special_tokens"] == ["<|im_start|>"] and "extra_special_tokens" not in config
    again = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert again.extra_special_tokens == tokenizer.extra_special_tokens


def test_bf16_needs_no_card() -> None:
    model, _ = checkpoints.load_checkpoint(EMBEDDED, bf16=True)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize(("cuda", "lacking"), [(False, "no CUDA device is visible"), (True, "bitsandbytes is not")])
def test_four_bits_are_refused_where_they_cannot_be(monkeypatch: pytest.MonkeyPatch, cuda: bool, lacking: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(checkpoints, "is_bitsandbytes_available", lambda: False)
    with pytest.raises(FcAssetsError, match=rf"sft\.qlora is set but {lacking}.*; set it to false"):
        checkpoints.load_checkpoint(EMBEDDED, bf16=True, four_bits=True)


def test_four_bits_are_nf4_computed_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is for cards, and not in the CPU stack")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    config = checkpoints.four_bit_config(bf16=True)
    assert (config.load_in_4bit, config.bnb_4bit_quant_type, config.bnb_4bit_use_double_quant) == (True, "nf4", True)
    assert config.bnb_4bit_compute_dtype == torch.bfloat16


def test_the_adapter_is_scaled_as_it_is_set() -> None:
    assert not lora_config(LoraSettings()).use_rslora
    assert lora_config(LoraSettings(rslora=True)).use_rslora
