"""Reads a checkpoint's tokenizer as llama.cpp wants it, and refuses those that llama.cpp would read otherwise.

llama.cpp implements a fixed list of pre-tokenizers by name. A tokenizer written under the wrong name loads and gives
wrong ids in silence; therefore only one is known here, Qwen's, and it is recognised by its rules, not by its name.

Two differences stay and are measured in `edge_report`, not refused: llama.cpp does not compose text (NFC), and where
two added tokens overlap in a text it takes the longer one, transformers the one that begins first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import read_json

PRE_TOKENIZER = "qwen2"
"""llama.cpp's name for the split of Qwen2 and Qwen3."""

QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The regular expression in Qwen3's tokenizer.json; llama.cpp's `qwen2` is an equivalent one."""

# gguf.TokenType, which llama.cpp reads as numbers.
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5

_HOW_TO = "use a byte-level BPE with Qwen's split, or convert this model with llama.cpp's convert_hf_to_gguf.py"


@dataclass(frozen=True)
class Vocabulary:
    """Every id's text and llama.cpp token type, from 0 to the model's vocabulary size - 1."""

    tokens: tuple[str, ...]
    types: tuple[int, ...]


def read_vocabulary(folder: Path, vocab_size: int) -> Vocabulary:
    """Read `folder`/tokenizer.json; ids without a token become unused padding, as in llama.cpp's converter.

    Raises `FcAssetsError` saying what differs when llama.cpp would not give the same ids.
    """
    file = folder / "tokenizer.json"
    tokenizer = read_json(file)
    differences = _differences(tokenizer)
    if differences:
        raise FcAssetsError(f"{file} is not a tokenizer that llama.cpp knows ({'; '.join(differences)}); {_HOW_TO}")
    texts: dict[int, str] = {number: text for text, number in tokenizer["model"]["vocab"].items()}
    types = dict.fromkeys(texts, NORMAL)
    for token in tokenizer["added_tokens"]:
        texts[token["id"]] = token["content"]
        types[token["id"]] = CONTROL if token["special"] or _looks_like_control(token["content"]) else USER_DEFINED
    if max(texts) >= vocab_size:
        raise FcAssetsError(
            f"{file} has the token id {max(texts)} but the model only {vocab_size} embeddings; "
            "resize the model's embeddings to its tokenizer"
        )
    return Vocabulary(
        tokens=tuple(texts.get(number, f"[PAD{number}]") for number in range(vocab_size)),
        types=tuple(types.get(number, UNUSED) for number in range(vocab_size)),
    )


def _looks_like_control(text: str) -> bool:
    # llama.cpp makes control tokens of these when it loads a model, whatever the file says.
    return text.startswith("<|") and text.endswith("|>")


def _differences(tokenizer: Mapping[str, Any]) -> list[str]:
    """What keeps llama.cpp from giving the same ids; empty when nothing does."""
    model = tokenizer.get("model") or {}
    expected_model = {
        "type": "BPE",
        "byte_fallback": False,
        "ignore_merges": False,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
    }
    found = [
        f"its model has {name} {model.get(name)!r}, not {value!r}"
        for name, value in expected_model.items()
        if (model.get(name) or None) != (value or None)
    ]
    if not _is_qwen_split(tokenizer.get("pre_tokenizer") or {}):
        found.append("its pre-tokenizer is not Qwen's split followed by bytes")
    if (tokenizer.get("normalizer") or {"type": "NFC"})["type"] != "NFC":
        found.append(f"its normalizer is {tokenizer['normalizer']['type']}, not NFC or none")
    if _adds_tokens(tokenizer.get("post_processor") or {}):
        found.append("its post-processor adds tokens")
    found += [
        f"its added token {token['content']!r} takes in the white space or words beside it"
        for token in tokenizer.get("added_tokens", ())
        if token["lstrip"] or token["rstrip"] or token["single_word"]
    ]
    return found


def _is_qwen_split(pre_tokenizer: Mapping[str, Any]) -> bool:
    steps = pre_tokenizer.get("pretokenizers") or []
    if pre_tokenizer.get("type") != "Sequence" or [step.get("type") for step in steps] != ["Split", "ByteLevel"]:
        return False
    split, byte_level = steps
    return (
        split["pattern"] == {"Regex": QWEN_SPLIT}
        and split["behavior"] == "Isolated"
        and not split["invert"]
        and not byte_level["add_prefix_space"]
        and not byte_level["use_regex"]
    )


def _adds_tokens(post_processor: Mapping[str, Any]) -> bool:
    steps = post_processor.get("processors") or ([post_processor] if post_processor else [])
    return any(step["type"] != "ByteLevel" and bool(step.get("special_tokens", True)) for step in steps)
