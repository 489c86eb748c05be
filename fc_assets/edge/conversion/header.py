"""Reads back what a GGUF file says of itself, for checks: its digest of the release, and the type of every tensor.

gguf is imported when the first file is read: the definitions load without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fc_assets.edge.gguf_files import SOURCE_DIGEST_KEY, GgufFile, GgufType
from fc_assets.errors import FcAssetsError
from fc_assets.names import GGUF_ARTIFACTS


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says of itself.

    `wrong_types` maps a tensor to "type, not type" where its file type promises another.
    """

    source_digest: str
    tensors: int
    wrong_types: Mapping[str, str]


def read_header(file: Path, kind: GgufType) -> GgufHeader:
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
            f"{file} is no GGUF file of this project ({error!r}); materialise {GGUF_ARTIFACTS} again"
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
    return GgufHeader(str(digest), len(reader.tensors), wrong)


def find_differences(folder: Path, files: Iterable[GgufFile], release: str) -> list[str]:
    """A sentence for each way in which a file in `folder` is not of its type, or not made from the digest `release`.

    Raises `FcAssetsError` when a file cannot be read.
    """
    found = []
    for file in files:
        header = read_header(folder / file.file, file.kind)
        found += [f"{file.file}: {name} is {types}" for name, types in header.wrong_types.items()]
        if header.source_digest != release:
            found.append(f"{file.file}: made from {header.source_digest}, not {release}")
    return found
