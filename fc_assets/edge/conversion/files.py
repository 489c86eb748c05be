"""What the folder of GGUF files holds, and how its files are named.

Reading or writing GGUF itself does not belong here, so that the code location can import this without numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

FILE_STEM = "policy"
TOKENIZER_FOLDER = "tokenizer"
"""Tokenizer and chat template as transformers reads them, with which `prompts` renders."""

SOURCE_DIGEST_KEY = "fc_assets.source.sha256"
"""The metadata key under which every file names the release that it was made from."""

BASELINE = "F16"
"""Always written: the checkpoint's weights in float16, which the quantised files are made of and compared with."""


@dataclass(frozen=True)
class GgufFile:
    """One written file. `types` counts the tensors of each type; `fallbacks` names those that could not have the type
    that `kind` promises, because their rows are no whole number of blocks."""

    kind: str
    file: str
    bytes: int
    sha256: str
    bits_per_weight: float
    types: dict[str, int]
    fallbacks: list[str]

    def row(self) -> dict[str, object]:
        """This file as a row of a table."""
        return {
            "kind": self.kind,
            "file": self.file,
            "mb": self.bytes / 1e6,
            "bits_per_weight": self.bits_per_weight,
            "tensor_types": ", ".join(f"{count} {kind}" for kind, count in self.types.items()),
            "fallbacks": len(self.fallbacks),
        }
