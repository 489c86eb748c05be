"""Checkpoints and adapters as trainers load and save them. What a folder holds without loading it is `checkpoint`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import is_bitsandbytes_available

from fc_assets.errors import FcAssetsError
from fc_assets.names import MODEL_CARD
from fc_assets.training.jobs import CheckpointSource


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
