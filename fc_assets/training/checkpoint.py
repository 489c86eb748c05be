"""What a checkpoint folder holds, read from its files without loading weights; and what makes one unusable.

Training inspects its base model with it, release the model that it ships. Fetching a checkpoint is `base_model_job`;
what serving one takes is `release.model_info`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import read_json

ARCHITECTURE = "Qwen3ForCausalLM"
_TIED = "lm_head.weight"


class CheckpointFacts(BaseModel):
    """Architecture and size of a checkpoint.

    `parameters` are those of the model: an output matrix that is the embedding too counts once, stored twice or not.
    `dtype` is what safetensors calls the weights' type ("F32", "BF16"), several of them joined by "/"; `context` is in
    tokens; `weights_mb` is the size of the weight files, 1 MB = 1e6 bytes.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    architecture: str
    parameters: int
    dtype: str
    layers: int
    hidden_size: int
    vocabulary: int
    context: int
    weights_mb: float


class _Tensor(NamedTuple):
    name: str
    shape: list[int]
    dtype: str


def inspect_checkpoint(folder: Path) -> CheckpointFacts:
    """Describe the checkpoint in `folder`. Raises `FcAssetsError` naming the first thing that makes it unusable."""
    for needed in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if not (folder / needed).is_file():
            raise FcAssetsError(f"The checkpoint has no {needed}; choose one in Hugging Face's format")
    config = read_json(folder / "config.json")
    if "auto_map" in config:
        raise FcAssetsError("The checkpoint's config.json wants code of its own (auto_map), which is never run here")
    if config.get("architectures") != [ARCHITECTURE]:
        raise FcAssetsError(f"The checkpoint is a {config.get('architectures')}; the whole graph needs {ARCHITECTURE}")
    shards = sorted(folder.glob("*.safetensors"))
    if not shards:
        raise FcAssetsError("The checkpoint has no .safetensors file; pickled weights are not read")
    tokenizer = read_json(folder / "tokenizer_config.json")
    if "chat_template" not in tokenizer and not (folder / "chat_template.jinja").is_file():
        raise FcAssetsError("The checkpoint has no chat template; choose a chat model or add chat_template.jinja")
    tensors = [tensor for shard in shards for tensor in _stored_tensors(shard)]
    if config.get("tie_word_embeddings"):  # Qwen3-0.6B on the hub stores the matrix under both names
        tensors = [tensor for tensor in tensors if tensor.name != _TIED]
    return CheckpointFacts(
        architecture=ARCHITECTURE,
        parameters=sum(math.prod(tensor.shape) for tensor in tensors),
        dtype="/".join(sorted({tensor.dtype for tensor in tensors})),
        layers=config["num_hidden_layers"],
        hidden_size=config["hidden_size"],
        vocabulary=config["vocab_size"],
        context=config["max_position_embeddings"],
        weights_mb=sum(shard.stat().st_size for shard in shards) / 1e6,
    )


def _stored_tensors(shard: Path) -> list[_Tensor]:
    """The tensors of a safetensors file, from its header."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(shard, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118  (a file does not iterate)
            return [_Tensor(name, tensor.get_shape(), tensor.get_dtype()) for name, tensor in slices.items()]
    except SafetensorError as error:
        raise FcAssetsError(f"{shard.name} is not a whole safetensors file ({error}); fetch it again") from None
