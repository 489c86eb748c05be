"""Writes a Qwen3 checkpoint as a GGUF file.

The metadata and the F16 tensors are those of llama.cpp's convert_hf_to_gguf.py, the quantised tensors those of its
llama-quantize: rounded to float16 first, then packed by ggml. The same checkpoint gives the same bytes. What a file
costs and how well it answers is measured in `edge.measurement`.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from fc_assets.edge.conversion import ggml
from fc_assets.edge.conversion.checkpoint import Checkpoint, StoredTensor, widened
from fc_assets.edge.conversion.tensor_types import F16, F32, FILE_TYPES, tensor_type, wanted_type
from fc_assets.edge.conversion.vocabulary import PRE_TOKENIZER, read_vocabulary
from fc_assets.edge.conversion.whole_file import whole_file
from fc_assets.edge.gguf_files import SOURCE_DIGEST_KEY, GgufFile, GgufType
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import file_sha256

_ARCH = gguf.MODEL_ARCH.QWEN3
_CHUNK_VALUES = 1 << 20  # packed at once by a thread: 4 MB as float32


@dataclass(frozen=True)
class _PlannedTensor:
    """A tensor as it will stand in the file: under which name, and stored as which type."""

    stored: StoredTensor
    name: str
    kind: gguf.GGMLQuantizationType

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored.shape

    @property
    def bytes(self) -> int:
        block, block_bytes = gguf.GGML_QUANT_SIZES[self.kind]
        return math.prod(self.shape) // int(block) * int(block_bytes)


def write_gguf(checkpoint: Checkpoint, out: Path, kind: GgufType, *, name: str, source_digest: str) -> GgufFile:
    """Write `checkpoint` to the file `out` as `kind` (F16, Q8_0 or Q4_K_M) and describe it.

    One tensor is in memory at a time. Raises `FcAssetsError` when llama.cpp could not read the tokenizer rightly, a
    tensor is unknown, a value does not fit into float16, or the disk is full; then there is no file.
    """
    plan = _plan(checkpoint, kind)
    writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[_ARCH])
    _add_general(writer, checkpoint, kind, name, source_digest)
    _add_hyperparameters(writer, checkpoint.config)
    _add_tokenizer(writer, checkpoint)
    for tensor in plan:
        # The writer takes the numpy dtype only to infer a type, which `raw_dtype` states.
        writer.add_tensor_info(tensor.name, tensor.shape, np.dtype(np.float32), tensor.bytes, raw_dtype=tensor.kind)
    with whole_file(out) as part:
        writer.write_header_to_file(part)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in plan:
            writer.write_tensor_data(_encode(tensor))
        writer.close()
    tied = _tied(checkpoint)
    return GgufFile(
        kind=kind,
        file=out.name,
        bytes=out.stat().st_size,
        sha256=file_sha256(out),
        bits_per_weight=8 * sum(tensor.bytes for tensor in plan) / checkpoint.parameters,
        types=dict(sorted(Counter(tensor.kind.name for tensor in plan).items())),
        fallbacks=[
            f"{tensor.name}: {tensor.kind.name}"
            for tensor in plan
            if tensor.kind != wanted_type(kind, tensor.name, tensor.shape, checkpoint.layers, tied)
        ],
    )


def _plan(checkpoint: Checkpoint, kind: GgufType) -> list[_PlannedTensor]:
    names = gguf.get_tensor_name_map(_ARCH, checkpoint.layers)
    planned = []
    for stored in checkpoint.tensors:
        name = names.get_name(stored.name, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise FcAssetsError(
                f"{stored.file}: tensor {stored.name} is not one of a Qwen3 model; was an adapter left unmerged?"
            )
        target = tensor_type(kind, name, stored.shape, checkpoint.layers, _tied(checkpoint))
        planned.append(_PlannedTensor(stored, name, target))
    return planned


def _tied(checkpoint: Checkpoint) -> bool:
    return all(tensor.name != "lm_head.weight" for tensor in checkpoint.tensors)


def _encode(tensor: _PlannedTensor) -> np.ndarray:
    """The tensor as it is stored, made of a few rows at a time: as float32 the whole would be twice as large."""
    values = tensor.stored.read()
    if tensor.kind == F32:
        return np.asarray(widened(values), dtype=np.float32)
    rows = values.reshape(-1, tensor.shape[-1])
    step = max(1, _CHUNK_VALUES // rows.shape[1])
    chunks = [slice(start, start + step) for start in range(0, len(rows), step)]
    packed = np.empty((len(rows), tensor.bytes // len(rows)), dtype=np.uint8)

    def fill(chunk: slice) -> None:
        packed[chunk] = _packed_rows(tensor, widened(rows[chunk]))

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # numpy and ggml work without Python's lock
        list(pool.map(fill, chunks))
    return packed


def _packed_rows(tensor: _PlannedTensor, rows: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        half = rows.astype(np.float16)
    if not np.isfinite(half).all():
        raise FcAssetsError(
            f"{tensor.stored.file}: tensor {tensor.stored.name} has values that float16 cannot hold (NaN, or beyond "
            "65504); look for the step that broke the weights, or train again with a lower learning rate"
        )
    return half.view(np.uint8) if tensor.kind == F16 else ggml.quantise(half, tensor.kind)


def _add_general(
    writer: gguf.GGUFWriter, checkpoint: Checkpoint, kind: GgufType, name: str, source_digest: str
) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    writer.add_size_label(gguf.size_label(checkpoint.parameters, checkpoint.parameters, 0, 0))
    writer.add_file_type(FILE_TYPES[kind])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_string(SOURCE_DIGEST_KEY, source_digest)


def _add_hyperparameters(writer: gguf.GGUFWriter, config: Mapping[str, Any]) -> None:
    rope = config.get("rope_parameters") or {}
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(rope.get("rope_theta") or config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])


def _add_tokenizer(writer: gguf.GGUFWriter, checkpoint: Checkpoint) -> None:
    vocabulary = read_vocabulary(checkpoint.folder, checkpoint.config["vocab_size"])
    special = gguf.SpecialVocab(checkpoint.folder, load_merges=True, n_vocab=len(vocabulary.tokens))
    if special.chat_template is None:
        raise FcAssetsError(f"{checkpoint.folder} has no chat_template.jinja; save the model with its tokenizer")
    if "eos" not in special.special_token_ids:
        raise FcAssetsError(f"{checkpoint.folder / 'tokenizer_config.json'} names no eos_token; set it to <|im_end|>")
    special.add_special_token = {"bos": False}  # `read_vocabulary` refuses a tokenizer that adds one
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    special.add_to_gguf(writer, quiet=True)
