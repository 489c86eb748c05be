"""The YAML file beside the adapter: it says what the profile says, and LLaMA-Factory makes our sequences of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from fc_assets.calls.conversations import read_turns
from fc_assets.data.rows.normalise import normalise_row
from fc_assets.data.rows.sharegpt import sharegpt_row, write_dataset_info
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.generator import generate_rows
from fc_assets.names import LLAMA_FACTORY, SHAREGPT_TRAIN, split_file
from fc_assets.profiles import CurationSettings, DataSettings, HermesSettings, load_profile
from fc_assets.training.jobs import CheckpointSource
from fc_assets.training.sequences import encode
from fc_assets.training.sft.llama_factory import arguments, write_arguments
from fc_assets_tests.support import llama_factory, qwen3

ROWS = 200
HUB = CheckpointSource(name="Qwen/Qwen3-0.6B", revision="c1899de", source="hub")
SETTINGS = load_profile("gpu-12gb").sft
NEW_LINE, NEW_LINES = 198, 1406
"""One new line and three, as Qwen3's tokenizer has them."""


def test_the_file_says_what_the_profile_says() -> None:
    found = arguments(SETTINGS, HUB, DataSettings())
    assert found["model_name_or_path"] == "Qwen/Qwen3-0.6B" and found["model_revision"] == "c1899de"
    assert (found["lora_rank"], found["lora_alpha"], found["lora_target"]) == (32, 64, "all")
    assert found["per_device_train_batch_size"] * found["gradient_accumulation_steps"] == 16
    assert found["cutoff_len"] == SETTINGS.max_length and found["learning_rate"] == SETTINGS.learning_rate
    assert found["dataset"] == SHAREGPT_TRAIN and found["bf16"] and not found["disable_gradient_checkpointing"]
    unnamed = arguments(SETTINGS, HUB.model_copy(update={"revision": ""}), DataSettings())
    assert "model_revision" not in unnamed


def test_a_pass_holds_as_many_rows_as_fit_and_divide_the_step() -> None:
    def rows(**changes: int) -> tuple[int, int]:
        found = arguments(SETTINGS.model_copy(update=changes), HUB, DataSettings())
        return found["per_device_train_batch_size"], found["gradient_accumulation_steps"]

    assert rows(rows_per_step=16, micro_batch_tokens=4096, max_length=2048) == (2, 8)
    assert rows(rows_per_step=16, micro_batch_tokens=7000, max_length=2048) == (2, 8)
    assert rows(rows_per_step=9, micro_batch_tokens=65536, max_length=2048) == (9, 1)
    assert rows(rows_per_step=4, micro_batch_tokens=512, max_length=2048) == (1, 4)


def test_kinds_of_adapters_are_named() -> None:
    rslora = SETTINGS.lora.model_copy(update={"rslora": True})
    found = arguments(SETTINGS.model_copy(update={"qlora": True, "lora": rslora}), HUB, DataSettings())
    assert found["use_rslora"] and (found["quantization_method"], found["quantization_bit"]) == ("bnb", 4)
    assert "quantization_bit" not in arguments(SETTINGS, HUB, DataSettings())


def test_conversations_of_several_turns_keep_the_new_line_between_them() -> None:
    assert arguments(SETTINGS, HUB, DataSettings())["tool_format"] == "qwen"
    for data in (
        DataSettings(hermes=HermesSettings(weight=0.1)),
        DataSettings(curation=CurationSettings(observations=True)),
    ):
        assert "tool_format" not in arguments(SETTINGS, HUB, data)


def test_the_same_settings_give_the_same_bytes_and_no_folder_is_in_them(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.yaml", "b.yaml")]
    for file in files:
        write_arguments(file, SETTINGS, HUB, DataSettings())
    first, second = (file.read_bytes() for file in files)
    assert first == second and str(tmp_path).encode() not in first
    assert yaml.safe_load(first) == arguments(SETTINGS, HUB, DataSettings())
    assert not {"dataset_dir", "output_dir"} & set(yaml.safe_load(first))


@pytest.mark.long
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("system", ["", "You call functions."])
def test_llama_factory_makes_our_token_ids_and_loss_mask_of_200_rows(tmp_path: Path, system: str) -> None:
    """All ids are the same but for what is written here; so is the loss mask.

    Without a system prompt LLaMA-Factory opens its tool prompt with three new lines where Qwen3's chat template has
    one: one token, in the prompt, which has no loss. And it learns a new line behind an answer in words.
    """
    qwen3.write_tokenizer(tmp_path)
    qwen3.config(layers=1).save_pretrained(tmp_path)
    reader = ToolReader()
    rows = [json.loads(sharegpt_row(normalise_row(raw, reader))) for raw in generate_rows(ROWS, seed=1)]
    split = tmp_path / split_file(SHAREGPT_TRAIN)
    split.write_text(json.dumps([{**row, "system": system} for row in rows]), encoding="utf-8")
    write_dataset_info(tmp_path, SHAREGPT_TRAIN)
    write_arguments(tmp_path / LLAMA_FACTORY, SETTINGS, HUB.model_copy(update={"revision": ""}), DataSettings())
    found = llama_factory.encoded_rows(
        tmp_path / LLAMA_FACTORY, dataset_dir=tmp_path, output_dir=tmp_path / "out", model_name_or_path=tmp_path
    )

    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    turns = read_turns(split)
    assert len(found) == len(turns) == ROWS and any(not turn.calls for turn in turns)
    for theirs, turn in zip(found, turns, strict=True):
        ours = encode(tokenizer, turn)
        ids, mask = list(ours.input_ids), list(ours.completion_mask)
        if turn.tools and not system:
            assert tokenizer.decode(ids[:3]) == "<|im_start|>system\n" and ids[2] == NEW_LINE
            ids[2] = NEW_LINES
        if not turn.calls:
            ids, mask = [*ids, NEW_LINE], [*mask, 1]
        assert theirs["input_ids"] == ids, turn.id
        assert [int(label != -100) for label in theirs["labels"]] == mask, turn.id
        assert all(label in (-100, token) for label, token in zip(theirs["labels"], ids, strict=True)), turn.id
