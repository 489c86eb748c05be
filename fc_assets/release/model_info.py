"""What a checkpoint is and what serving it takes. Read from the files' headers; no weights are loaded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import ServerSettings
from fc_assets.training.checkpoint import inspect_checkpoint

BYTES_PER_VALUE = {"float32": 4, "bfloat16": 2, "float16": 2}
_MIB = 1 << 20


@dataclass(frozen=True)
class ModelInfo:
    """Architecture and size of a model, and the memory that serving it with the profile's settings needs.

    `weights_mib` holds the parameters in the serving data type, `kv_cache_bytes_per_token` the keys and values of one
    token over all layers: 2 x layers x key-value heads x head size x bytes per value. `full_load_mib` is weights plus
    the cache of `max_num_seqs` sequences of `max_model_len` tokens, an upper bound that leaves out activations and
    CUDA graphs (some 1-2 GiB on a GPU); vLLM itself takes the share of memory that it is given.
    """

    architecture: str
    parameters: int
    checkpoint_dtype: str
    layers: int
    hidden_size: int
    attention_heads: int
    key_value_heads: int
    head_size: int
    vocabulary: int
    context: int
    serving_dtype: str
    max_model_len: int
    max_num_seqs: int
    weights_mib: float
    kv_cache_bytes_per_token: int
    full_load_mib: float


def describe_model(checkpoint: Path, server: ServerSettings) -> ModelInfo:
    """Describe the checkpoint folder as it will be served. Raises `FcAssetsError` for one that is not usable."""
    found = inspect_checkpoint(checkpoint)
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    if server.dtype not in BYTES_PER_VALUE:
        raise FcAssetsError(
            f"server.dtype is {server.dtype!r}, for which no memory estimate is known; "
            f"set it to one of {', '.join(BYTES_PER_VALUE)}"
        )
    width = BYTES_PER_VALUE[server.dtype]
    heads = config["num_attention_heads"]
    head_size = config.get("head_dim") or config["hidden_size"] // heads
    per_token = 2 * config["num_hidden_layers"] * config["num_key_value_heads"] * head_size * width
    weights = found.parameters * width
    return ModelInfo(
        architecture=found.architecture,
        parameters=found.parameters,
        checkpoint_dtype=found.dtype,
        layers=found.layers,
        hidden_size=found.hidden_size,
        attention_heads=heads,
        key_value_heads=config["num_key_value_heads"],
        head_size=head_size,
        vocabulary=found.vocabulary,
        context=found.context,
        serving_dtype=server.dtype,
        max_model_len=server.max_model_len,
        max_num_seqs=server.max_num_seqs,
        weights_mib=round(weights / _MIB, 2),
        kv_cache_bytes_per_token=per_token,
        full_load_mib=round((weights + per_token * server.max_model_len * server.max_num_seqs) / _MIB, 2),
    )
