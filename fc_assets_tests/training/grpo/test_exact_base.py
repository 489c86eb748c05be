"""Merging an adapter and taking it out again changes weights in bf16; after a step they are what they were."""

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from fc_assets.profiles import EMBEDDED
from fc_assets.training.grpo.exact_base import ExactBase


def test_the_base_is_the_same_after_many_merges() -> None:
    base = AutoModelForCausalLM.from_pretrained(EMBEDDED, dtype=torch.bfloat16)
    config = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    model = get_peft_model(base, config)
    before = {name: value.clone() for name, value in model.state_dict().items() if "base_layer" in name}

    def changed() -> int:
        return sum(not torch.equal(value, before[name]) for name, value in model.state_dict().items() if name in before)

    callback = ExactBase()
    callback.on_train_begin(None, None, None, model=model)
    for _ in range(3):
        model.merge_adapter()
        model.unmerge_adapter()
    assert changed() == len(before) > 0, "what trl leaves behind"
    callback.on_step_end(None, None, None)
    assert changed() == 0
