"""Reads back what a GGUF file says of itself, for checks: its digest of the release, and the type of every tensor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fc_assets.edge.conversion.files import SOURCE_DIGEST_KEY
from fc_assets.errors import FcAssetsError


@dataclass(frozen=True)
class Header:
    """A GGUF file's own words. `wrong_types` maps a tensor to "type, not type" where its file type promises another."""

    source_digest: str
    tensors: int
    wrong_types: Mapping[str, str]


def read_header(file: Path, kind: str) -> Header:
    """Read `file`, which should be a GGUF file of type `kind`. Raises `FcAssetsError` when it cannot be read."""
    from gguf import GGUFReader

    from fc_assets.edge.conversion.tensor_types import FILE_TYPES, wanted_type

    try:
        reader = GGUFReader(file)
        file_type = reader.fields["general.file_type"].contents()
        layers = reader.fields["qwen3.block_count"].contents()
        digest = reader.fields[SOURCE_DIGEST_KEY].contents()
    except (OSError, ValueError, KeyError) as error:
        raise FcAssetsError(
            f"{file} is no GGUF file of this project ({error!r}); materialise gguf_artifacts again"
        ) from error
    tied = all(tensor.name != "output.weight" for tensor in reader.tensors)
    wrong = {
        tensor.name: f"{tensor.tensor_type.name}, not {wanted.name}"
        for tensor in reader.tensors
        # A GGUF shape begins with the row's length.
        if tensor.tensor_type != (wanted := wanted_type(kind, tensor.name, tensor.shape[::-1], layers, tied))
    }
    if file_type != FILE_TYPES[kind]:
        wrong = {"general.file_type": f"{file_type}, not {FILE_TYPES[kind].value}", **wrong}
    return Header(str(digest), len(reader.tensors), wrong)
