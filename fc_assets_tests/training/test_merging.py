"""Merging an adapter: the merged model is proved equal, and an adapter that does nothing is refused."""

import logging

import pytest
import torch
from peft import PeftModel, get_peft_model

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import EMBEDDED, LoraSettings
from fc_assets.training.merging import TURNS_COMPARED, merge_adapter
from fc_assets.training.trainer_setup import load_checkpoint, lora_config
from fc_assets_tests.training.conftest import FIVE_MINUTES, timer_turn

LOG = logging.getLogger(__name__)
TURNS = [timer_turn(str(number), FIVE_MINUTES) for number in range(TURNS_COMPARED + 4)]


@pytest.fixture
def adapted() -> PeftModel:
    """The embedded model with a LoRA adapter as peft makes it: its second matrix is zero, so it changes nothing."""
    torch.manual_seed(0)
    model, _ = load_checkpoint(EMBEDDED, bf16=False)
    return get_peft_model(model, lora_config(LoraSettings(rank=4, alpha=8)))


def let_it_learn(adapted: PeftModel) -> PeftModel:
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return adapted


def test_the_merged_model_gives_the_adapted_logits(adapted: PeftModel, tokenizer) -> None:
    merged = merge_adapter(let_it_learn(adapted), tokenizer, TURNS, 1e-3, LOG)
    assert merged.turns_compared == TURNS_COMPARED
    assert merged.max_logit_difference <= 1e-3 < merged.adapter_effect
    assert not [name for name, _ in merged.model.named_parameters() if "lora" in name]


def test_logits_that_differ_too_much_are_refused(adapted: PeftModel, tokenizer) -> None:
    with pytest.raises(FcAssetsError, match=r"logits differ by up to .* sft\.max_merge_logit_difference"):
        merge_adapter(let_it_learn(adapted), tokenizer, TURNS, 0.0, LOG)


def test_an_adapter_that_was_not_trained_is_refused(adapted: PeftModel, tokenizer) -> None:
    with pytest.raises(FcAssetsError, match="The adapter changes no logit"):
        merge_adapter(adapted, tokenizer, TURNS, 1e-3, LOG)
