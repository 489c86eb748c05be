"""Tables, plots and digests as Dagster metadata, in one shape for every asset.

Stages hand over plain records and PNG bytes; how the web UI wants them is known here and nowhere else. Which figures an
asset shows is decided in its room.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.json_files import finite
from fc_assets.profiles import Settings, settings_digest

MAX_TABLE_ROWS = 200
"""More rows than this slow the page down; the full table is a file of the artefact."""

SHOWN_DIGITS = 4


def table(records: Iterable[Mapping[str, object]]) -> dg.TableMetadataValue:
    """Records of scalars as a table, the columns in the order in which they first appear.

    At most `MAX_TABLE_ROWS` rows are kept. Floats are rounded to `SHOWN_DIGITS` significant digits: the files of the
    artefact have them all. What is not a scalar is shown as text.
    """
    rows = [dict(record) for _, record in zip(range(MAX_TABLE_ROWS), records, strict=False)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [dg.TableColumn(name, _column_type([row.get(name) for row in rows])) for name in names]
    return dg.MetadataValue.table(
        records=[dg.TableRecord({name: _cell(row.get(name)) for name in names}) for row in rows],
        schema=dg.TableSchema(columns=columns),
    )


def _cell(value: object) -> str | int | float | bool | None:
    value = finite(value)
    if isinstance(value, float):
        return float(f"{value:.{SHOWN_DIGITS}g}")
    if value is None or isinstance(value, str | bool | int):
        return value
    return str(value)


def _column_type(values: Sequence[object]) -> str:
    present = [value for value in values if finite(value) is not None]
    if present and all(isinstance(value, bool) for value in present):
        return "bool"
    if present and all(isinstance(value, int) for value in present):
        return "int"
    if present and all(isinstance(value, int | float) for value in present):
        return "float"
    return "string"


def picture(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """A PNG that the page shows in place."""
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})")


def picture_file(path: Path, title: str) -> dg.MarkdownMetadataValue:
    """`picture` of a PNG file."""
    return picture(path.read_bytes(), title)


def describe(artifact: Artifact, home: Path) -> dict[str, Any]:
    """What every materialisation records of its artefact; `path` is relative to `home`, so that a home can be moved."""
    return {
        "path": dg.MetadataValue.path(artifact.path.relative_to(home)),
        "sha256": artifact.digest,
        "bytes": artifact.bytes,
        "inputs": dg.MetadataValue.json(dict(artifact.inputs)),
        "artifact_code_version": artifact.code_version,
        "profile": artifact.profile,
        "made_with": dg.MetadataValue.json(dict(artifact.settings)),
        "settings_digest": settings_digest(artifact.settings)[:16],
    }


@dataclass(frozen=True)
class ArtifactRecord:
    """What a materialisation says of its artefact: the reading of what `describe` wrote."""

    digest: str
    inputs: Mapping[str, str]
    code_version: str
    profile: str
    settings: Settings


def record_of(materialization: dg.AssetMaterialization) -> ArtifactRecord:
    """The record in a materialisation of this project. Raises `FcAssetsError` for one that holds none."""
    values: dict[str, Any] = {name: value.value for name, value in materialization.metadata.items()}
    try:
        return ArtifactRecord(
            digest=str(values["sha256"]),
            inputs=dict(values["inputs"]),
            code_version=str(values["artifact_code_version"]),
            profile=str(values["profile"]),
            settings=dict(values["made_with"]),
        )
    except KeyError as error:
        name = materialization.asset_key.to_user_string()
        raise FcAssetsError(
            f"The latest materialisation of {name} has no {error} in its record: materialise {name} again"
        ) from None
