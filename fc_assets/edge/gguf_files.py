"""What a folder of GGUF files holds: their types, their names, and the record of each.

Reading or writing GGUF itself does not belong here, so that the code location can import this without numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

GgufType = Literal["F16", "Q8_0", "Q4_K_M"]
"""llama.cpp's name for how the weights of a file are stored."""

BASELINE: Final = "F16"
"""Always written: the checkpoint's weights in float16, which the quantised files are made of and compared with."""

SOURCE_DIGEST_KEY = "fc_assets.source.sha256"
"""The metadata key under which every file names the release that it was made from."""


@dataclass(frozen=True)
class GgufFile:
    """One written file, `file` being its name and `kind` its type.

    `types` counts the tensors of each type; `fallbacks` names the tensors that could not have the type that `kind`
    promises, because their rows are no whole number of blocks.
    """

    kind: GgufType
    file: str
    bytes: int
    sha256: str
    bits_per_weight: float
    types: dict[str, int]
    fallbacks: list[str]

    def row(self) -> dict[str, object]:
        """This file as a row of a table. A megabyte is 10^6 bytes."""
        return {
            "kind": self.kind,
            "file": self.file,
            "mb": self.bytes / 1e6,
            "bits_per_weight": self.bits_per_weight,
            "tensor_types": ", ".join(f"{count} {kind}" for kind, count in self.types.items()),
            "fallbacks": len(self.fallbacks),
        }
