"""Checkpoints are loaded in the type that is asked for on any machine; only quantised ones ask for a card."""

import pytest
import torch

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import EMBEDDED, LoraSettings
from fc_assets.training.trainer import checkpoints
from fc_assets.training.trainer.arguments import lora_config


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
