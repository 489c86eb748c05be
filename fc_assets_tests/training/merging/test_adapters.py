"""Merging an adapter: the merged model is proved equal, and an adapter that does nothing is refused.

Two adapters as one: the base and it are the model into which they were merged one after the other.
"""

import json
import logging
from pathlib import Path

import pytest
import torch
from peft import PeftModel, get_peft_model

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import EMBEDDED, LoraSettings
from fc_assets.training.jobs import CheckpointSource
from fc_assets.training.merging.adapters import (
    TURNS_COMPARED,
    as_one_adapter,
    largest_difference,
    logits,
    merge_adapter,
    require_same_model,
)
from fc_assets.training.trainer.arguments import lora_config
from fc_assets.training.trainer.checkpoints import load_checkpoint, save_adapter
from fc_assets_tests.training.conftest import FIVE_MINUTES, timer_turn

LOG = logging.getLogger(__name__)
SOURCE = CheckpointSource(name="somebody/base", revision="c1899de", source="hub")
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


def new_adapter(model, seed: int, settings: LoraSettings) -> PeftModel:
    torch.manual_seed(seed)
    return let_it_learn(get_peft_model(model, lora_config(settings)))


def merged_twice(folder: Path, dtype: torch.dtype, rslora: bool = False) -> tuple[torch.nn.Module, list[Path]]:
    """The embedded model into which two adapters of different rank and scale were merged; and the two, saved."""
    model, _ = load_checkpoint(EMBEDDED, bf16=False)
    model, saved = model.to(dtype), [folder / "first", folder / "second"]
    for seed, (settings, out) in enumerate(
        zip((LoraSettings(rank=4, alpha=8, rslora=rslora), LoraSettings(rank=2, alpha=2)), saved, strict=True)
    ):
        adapted = new_adapter(model, seed, settings)
        save_adapter(adapted, SOURCE, out)
        model = adapted.merge_and_unload()
    return model, saved


def published(folder: Path, adapters: list[Path], dtype: torch.dtype) -> PeftModel:
    """The embedded model with `adapters` as one, saved and loaded again."""
    save_adapter(as_one_adapter(load_checkpoint(EMBEDDED, bf16=False)[0], adapters), SOURCE, folder / "published")
    return PeftModel.from_pretrained(load_checkpoint(EMBEDDED, bf16=False)[0].to(dtype), str(folder / "published"))


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


@pytest.mark.parametrize("rslora", [False, True])
def test_two_adapters_as_one_give_the_model_that_they_were_merged_into(tmp_path: Path, tokenizer, rslora: bool) -> None:
    merged, adapters = merged_twice(tmp_path, torch.float32, rslora)
    one = published(tmp_path, adapters, torch.float32)
    assert require_same_model(one, merged, tokenizer, TURNS, 1e-3, LOG) <= 1e-3
    config = json.loads((tmp_path / "published" / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["revision"]) == ("somebody/base", "c1899de")
    assert config["target_modules"] == sorted(config["target_modules"]), "the same work has the same bytes"
    assert (config["r"], sorted(path.name for path in (tmp_path / "published").iterdir())) == (
        6,
        ["adapter_config.json", "adapter_model.safetensors"],
    )


def test_an_adapter_that_lacks_a_part_is_refused(tmp_path: Path, tokenizer) -> None:
    merged, adapters = merged_twice(tmp_path, torch.float32)
    for lacking in adapters:
        with pytest.raises(FcAssetsError, match="The base with the published adapter is not the policy: logits differ"):
            require_same_model(published(tmp_path, [lacking], torch.float32), merged, tokenizer, TURNS, 1e-3, LOG)


def test_in_bf16_base_and_adapter_are_as_near_to_the_exact_policy_as_the_checkpoint_is(
    tmp_path: Path, tokenizer
) -> None:
    """Each merge rounds the weights to bf16, and each layer its numbers: that is all that lies between the two."""
    exact, adapters = merged_twice(tmp_path, torch.float32)
    checkpoint, _ = merged_twice(tmp_path, torch.bfloat16)
    truth = logits(exact, tokenizer, TURNS)

    def away(model: torch.nn.Module) -> float:
        return largest_difference(truth, logits(model, tokenizer, TURNS))

    assert away(published(tmp_path, adapters, torch.bfloat16)) < 2 * away(checkpoint)
    assert away(load_checkpoint(EMBEDDED, bf16=False)[0]) > 10 * away(checkpoint)
