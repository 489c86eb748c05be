"""A tiny tokenizer with Qwen3's real chat template, as a checkpoint folder."""

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

MARKS = ["<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>"]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tokenizer.json (byte-level, no merges), tokenizer_config.json and chat_template.jinja."""
    folder = tmp_path_factory.mktemp("checkpoint")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens(MARKS)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    trl = importlib.util.find_spec("trl")
    assert trl is not None and trl.submodule_search_locations
    template = Path(trl.submodule_search_locations[0]) / "chat_templates" / "qwen3.jinja"
    shutil.copyfile(template, folder / "chat_template.jinja")
    return folder
