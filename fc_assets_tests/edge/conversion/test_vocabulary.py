"""Token types as llama.cpp wants them, and no tokenizer that it would read otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest

from fc_assets.edge.conversion.vocabulary import CONTROL, NORMAL, UNUSED, USER_DEFINED, read_vocabulary
from fc_assets.errors import FcAssetsError


def _read(folder: Path, tokenizer: dict[str, Any], vocab_size: int = 10_000):
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    return read_vocabulary(folder, vocab_size)


@pytest.fixture
def tokenizer(tokenizer_folder: Path) -> dict[str, Any]:
    return json.loads((tokenizer_folder / "tokenizer.json").read_text(encoding="utf-8"))


def test_the_type_numbers_are_ggufs() -> None:
    assert [gguf.TokenType(number).name for number in (NORMAL, CONTROL, USER_DEFINED, UNUSED)] == [
        "NORMAL",
        "CONTROL",
        "USER_DEFINED",
        "UNUSED",
    ]


def test_each_token_has_its_type(tmp_path: Path, tokenizer: dict[str, Any]) -> None:
    last = max(token["id"] for token in tokenizer["added_tokens"])
    vocabulary = _read(tmp_path, tokenizer, last + 4)
    types = dict(zip(vocabulary.tokens, vocabulary.types, strict=True))
    assert types["<|im_end|>"] == CONTROL
    assert types["<tool_call>"] == types["</think>"] == USER_DEFINED
    assert types["a"] == NORMAL
    assert types[f"[PAD{last + 3}]"] == UNUSED
    assert len(vocabulary.tokens) == last + 4


def test_a_token_that_llama_cpp_makes_control_is_written_as_control(tmp_path: Path, tokenizer: dict[str, Any]) -> None:
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][-1], "id": 9000, "content": "<|fim_prefix|>"})
    vocabulary = _read(tmp_path, tokenizer)
    assert vocabulary.types[9000] == CONTROL


def _split(pattern: str) -> Callable[[dict[str, Any]], None]:
    def change(tokenizer: dict[str, Any]) -> None:
        tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"Regex": pattern}

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_split(r"\p{L}+|\p{N}|[^\p{L}\p{N}]+"), "not Qwen's split"),
        (lambda t: t.update(pre_tokenizer={"type": "ByteLevel", "use_regex": True}), "not Qwen's split"),
        (lambda t: t.update(normalizer={"type": "Lowercase"}), "normalizer is Lowercase"),
        (lambda t: t["model"].update(type="Unigram"), "type 'Unigram'"),
        (lambda t: t["model"].update(ignore_merges=True), "ignore_merges True"),
        (lambda t: t["added_tokens"][4].update(lstrip=True), "white space"),
        (
            lambda t: t.update(post_processor={"type": "TemplateProcessing", "special_tokens": {"<s>": {}}}),
            "post-processor adds tokens",
        ),
    ],
)
def test_other_tokenizers_are_refused_with_the_reason(
    tmp_path: Path, tokenizer: dict[str, Any], change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    change(tokenizer)
    with pytest.raises(FcAssetsError, match=reason):
        _read(tmp_path, tokenizer)


def test_more_tokens_than_embeddings_are_refused(tmp_path: Path, tokenizer: dict[str, Any]) -> None:
    with pytest.raises(FcAssetsError, match="only 10 embeddings"):
        _read(tmp_path, tokenizer, 10)
