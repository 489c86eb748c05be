"""Tables, plots and digests as Dagster metadata, in one shape for every asset.

Stages hand over plain records and PNG bytes; how the web UI wants them is known here and nowhere else. Which figures an
asset shows is decided in its room.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import dagster as dg

from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.json_files import finite

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


def describe(artifact: Artifact) -> dict[str, object]:
    """What every materialisation records of its artefact."""
    return {
        "path": dg.MetadataValue.path(artifact.path),
        "sha256": artifact.digest,
        "bytes": artifact.bytes,
        "inputs": dg.MetadataValue.json(dict(artifact.inputs)),
        "artifact_code_version": artifact.code_version,
        "profile": artifact.profile,
    }
