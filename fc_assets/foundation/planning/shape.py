"""The shape of a model, from its config.json: what every sum of bytes starts from. Sums of bytes do not belong here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import read_json

LINEAR_LAYERS = 7
"""Linear modules of a decoder layer: query, key, value, output, gate, up, down."""
_NORMS = 2
"""Normalisations over the hidden state in a decoder layer; two more are over a head."""


@dataclass(frozen=True)
class ModelShape:
    """A decoder of Qwen3's architecture, as its config.json describes it; sizes in elements.

    `query_size` and `key_value_size` are heads x head size, which need not be `hidden`.
    """

    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_value_heads: int
    head_dim: int
    vocabulary: int
    context: int
    tied: bool

    @property
    def query_size(self) -> int:
        return self.heads * self.head_dim

    @property
    def key_value_size(self) -> int:
        return self.key_value_heads * self.head_dim

    @property
    def linear_inputs(self) -> int:
        """Elements that enter the linear modules of one layer, for each token; a tensor that enters several counts
        each time, because each module's adapter drops out and converts its own copy."""
        return 5 * self.hidden + self.query_size + self.intermediate

    @property
    def linear_outputs(self) -> int:
        """Elements that leave the linear modules of one layer, for each token."""
        return 2 * self.hidden + self.query_size + 2 * self.key_value_size + 2 * self.intermediate

    @property
    def layer_parameters(self) -> int:
        """Parameters of one decoder layer."""
        attention = 2 * self.hidden * (self.query_size + self.key_value_size)
        norms = _NORMS * self.hidden + 2 * self.head_dim
        return attention + 3 * self.hidden * self.intermediate + norms

    @property
    def embedding_parameters(self) -> int:
        """Parameters of the embedding, and of the output layer where it is another matrix."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All parameters, a tied output layer counted once."""
        return self.layers * self.layer_parameters + self.embedding_parameters + self.hidden

    def adapter_parameters(self, rank: int) -> int:
        """Parameters of a LoRA adapter of this rank on every linear module of the decoder (`all-linear`)."""
        return self.layers * rank * (self.linear_inputs + self.linear_outputs)

    def with_layers(self, layers: int) -> ModelShape:
        """The same shape with another number of layers."""
        return replace(self, layers=layers)


QWEN3_0_6B = ModelShape(
    layers=28,
    hidden=1024,
    intermediate=3072,
    heads=16,
    key_value_heads=8,
    head_dim=128,
    vocabulary=151_936,
    context=40_960,
    tied=True,
)
"""Qwen3-0.6B, which both GPU profiles start from: source https://huggingface.co/Qwen/Qwen3-0.6B, config.json."""


def read_shape(checkpoint: Path) -> ModelShape:
    """The shape that the folder's config.json describes. Raises `FcAssetsError` naming a field that is not there."""
    file = checkpoint / "config.json"
    if not file.is_file():
        raise FcAssetsError("The checkpoint has no config.json; choose one in Hugging Face's format")
    return shape_of(read_json(file))


def shape_of(config: dict[str, Any]) -> ModelShape:
    """The shape that a config.json describes. Raises `FcAssetsError` naming a field that is not there."""
    try:
        heads = config["num_attention_heads"]
        return ModelShape(
            layers=config["num_hidden_layers"],
            hidden=config["hidden_size"],
            intermediate=config["intermediate_size"],
            heads=heads,
            key_value_heads=config["num_key_value_heads"],
            head_dim=config.get("head_dim") or config["hidden_size"] // heads,
            vocabulary=config["vocab_size"],
            context=config["max_position_embeddings"],
            tied=config.get("tie_word_embeddings", False),
        )
    except KeyError as error:
        raise FcAssetsError(
            f"The checkpoint's config.json has no {error.args[0]}, so that its memory cannot be computed; "
            "choose a checkpoint of Qwen3's architecture"
        ) from None
