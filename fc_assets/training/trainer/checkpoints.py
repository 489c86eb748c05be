"""Checkpoints and adapters as trainers load and save them. What a folder holds without loading it is `checkpoint`."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import is_bitsandbytes_available

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import read_json, write_json
from fc_assets.names import MODEL_CARD
from fc_assets.training.jobs import CheckpointSource

_TOKENIZER_CONFIG = "tokenizer_config.json"
_TOKENIZER_FILES = (
    "tokenizer.json",
    _TOKENIZER_CONFIG,
    "chat_template.jinja",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)
"""What a tokenizer of Qwen's family may consist of; the first two are always there."""


def load_checkpoint(folder: Path, *, bf16: bool, four_bits: bool = False) -> tuple[Any, Any]:
    """Model and tokenizer of a local checkpoint, weights in fp32 or bf16; no remote code, safetensors only.

    With `four_bits` the weights of linear layers are quantised as they are loaded: see `four_bit_config`.
    """
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=torch.bfloat16 if bf16 else torch.float32,
        use_safetensors=True,
        local_files_only=True,
        quantization_config=four_bit_config(bf16=bf16) if four_bits else None,
    )
    return model, AutoTokenizer.from_pretrained(folder, local_files_only=True)


def four_bit_config(*, bf16: bool) -> BitsAndBytesConfig:
    """QLoRA's quantisation of the base: NF4, its scales quantised too (Dettmers et al. 2023, arXiv 2305.14314).

    Raises `FcAssetsError` where there is no CUDA device or no bitsandbytes.
    """
    lacking = "no CUDA device is visible" if not torch.cuda.is_available() else "bitsandbytes is not installed"
    if not torch.cuda.is_available() or not is_bitsandbytes_available():
        raise FcAssetsError(f"sft.qlora is set but {lacking}; set it to false, or train where both are there")
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if bf16 else torch.float32,
    )


def save_checkpoint(model: Any, source: Path, out: Path) -> None:
    """Save a whole model in `out`, with the tokenizer of the checkpoint `source` that it was made from.

    Files that leave this machine are read by transformers 4 and 5, by vLLM and by converters to GGUF alike.
    """
    model.save_pretrained(out, safe_serialization=True)
    write_json(out / "config.json", portable_config(read_json(out / "config.json")))
    copy_tokenizer(source, out)


def copy_tokenizer(source: Path, out: Path) -> None:
    """Copy the tokenizer of the checkpoint `source`: training changes nothing of it, and saving it anew would.

    transformers 5 writes a list as `extra_special_tokens`, on which transformers 4 fails; both read the older name.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name in _TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, out / name)
    settings = read_json(out / _TOKENIZER_CONFIG)
    if isinstance(settings.get("extra_special_tokens"), list):
        settings["additional_special_tokens"] = settings.pop("extra_special_tokens")
        write_json(out / _TOKENIZER_CONFIG, settings)


def portable_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config.json of transformers 5, with what transformers 4 reads instead beside it.

    Version 5 has the base of rotation in `rope_parameters` alone, where version 4 does not look: it takes 10,000 for
    Qwen3's 1,000,000 and says nothing. Versions before 4.56 read `torch_dtype` for `dtype`.
    """
    rope = config["rope_parameters"]
    scaled = rope["rope_type"] != "default"
    return {
        **config,
        "rope_theta": rope["rope_theta"],
        "rope_scaling": {name: value for name, value in rope.items() if name != "rope_theta"} if scaled else None,
        "torch_dtype": config["dtype"],
    }


def save_adapter(model: Any, base: CheckpointSource, out: Path) -> None:
    """Save a peft model's adapter `default`, and no other, in peft's format; `base` is the checkpoint that it names.

    A name, not the path: a path of this machine means nothing elsewhere. peft would then ask the hub whether the
    vocabulary was resized, hence `save_embedding_layers`.
    """
    config = model.peft_config["default"]
    config.base_model_name_or_path, config.revision = base.name, base.revision or None
    config.target_modules = sorted(config.target_modules)  # peft keeps a set: its order differs from process to process
    model.save_pretrained(out, safe_serialization=True, selected_adapters=["default"], save_embedding_layers=False)
    (out / MODEL_CARD).unlink(missing_ok=True)  # peft's card is an empty form; the release writes a real one


def count_parameters(model: Any, *, trainable: bool = False) -> int:
    """The model's parameters, or only those that training changes."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad or not trainable)
