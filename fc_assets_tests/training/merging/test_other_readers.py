"""What is published means the same to readers of another age: transformers 4 and the peft of its time.

At Qwen3-0.6B's shape, with one layer, its real tokenizer and its base of rotation.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoTokenizer

from fc_assets.names import ADAPTER_FOLDER, MODEL_FOLDER
from fc_assets.profiles import MergeSettings
from fc_assets.training.jobs import ComparedTurns
from fc_assets.training.merging.merge import merge_checkpoint
from fc_assets.training.merging.policy import Ancestors, publish_policy
from fc_assets.training.trainer.checkpoints import load_checkpoint, portable_config
from fc_assets_tests.support import qwen3, transformers4
from fc_assets_tests.training.merging.conftest import LOG, SOURCE, TURNS, write_adapter

pytestmark = pytest.mark.slow
MESSAGES = [{"role": "user", "content": "Set a timer for 5 minutes. " * 12}]
"""Long enough that the base of rotation shows."""


@dataclass(frozen=True)
class Published:
    """A base whose tokenizer transformers 5 has saved, and what is made of it."""

    base: Path
    merged: Path
    policy: Path
    adapter: Path


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("published")
    base = qwen3.write_checkpoint(folder / "base", layers=1)
    AutoTokenizer.from_pretrained(base).save_pretrained(base)
    sft = write_adapter(folder / "sft", base)
    few = ComparedTurns(turns=1, tokens=16)  # what is compared here is how others read it
    merge_checkpoint(base, sft, folder / "merged", TURNS, MergeSettings(), LOG, bf16=False, compared=few)
    second = write_adapter(folder / "second", folder / "merged", seed=1)
    ancestors = Ancestors(folder / "merged", base, SOURCE, sft)
    publish_policy(second, ancestors, folder, TURNS, MergeSettings(), LOG, bf16=False, compared=few)
    return Published(base, folder / "merged", folder / MODEL_FOLDER, folder / ADAPTER_FOLDER)


def ours(checkpoint: Path, adapter: Path | None = None) -> tuple[list[int], torch.Tensor]:
    """Ids and logits as the installed transformers has them."""
    model, tokenizer = load_checkpoint(checkpoint, bf16=False)
    if adapter:
        model = PeftModel.from_pretrained(model, str(adapter))
    ids = tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True, enable_thinking=False, return_dict=False)
    with torch.inference_mode():
        return ids, model.eval()(input_ids=torch.tensor([ids])).logits[0]


@pytest.mark.parametrize("which", ["merged", "policy"])
def test_transformers_4_reads_a_checkpoint_as_we_do(published: Published, tmp_path: Path, which: str) -> None:
    checkpoint: Path = getattr(published, which)
    found = transformers4.read(checkpoint, MESSAGES, tmp_path / "read")
    ids, logits = ours(checkpoint)
    assert found.version.startswith("4.57")
    assert found.theta == 1e6
    assert found.ids == ids
    torch.testing.assert_close(found.logits, logits, atol=1e-4, rtol=1e-4)
    assert (found.eos, tuple(found.stops)) == ("<|im_end|>", qwen3.STOP_TOKENS)
    assert "<|im_start|>" in found.special and "<tool_call>" not in found.special


def test_the_peft_of_its_time_reads_the_adapter(published: Published, tmp_path: Path) -> None:
    base = published.base
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(portable_config(config)))  # as the hub has it
    (base / "tokenizer_config.json").write_bytes((published.merged / "tokenizer_config.json").read_bytes())
    found = transformers4.read(base, MESSAGES, tmp_path / "read", adapter=published.adapter)
    ids, logits = ours(base, published.adapter)
    assert found.ids == ids
    torch.testing.assert_close(found.logits, logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("which", ["merged", "policy"])
def test_both_stop_tokens_survive_and_a_turn_ends_with_its_own(published: Published, which: str) -> None:
    checkpoint: Path = getattr(published, which)
    generation = json.loads((checkpoint / "generation_config.json").read_text())
    assert tuple(generation["eos_token_id"]) == qwen3.STOP_TOKENS
    config = json.loads((checkpoint / "config.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    assert config["eos_token_id"] == tokenizer.eos_token_id == qwen3.STOP_TOKENS[0]
    assert tokenizer.eos_token == "<|im_end|>"
    assert len(tokenizer("<tool_call>").input_ids) == 1
