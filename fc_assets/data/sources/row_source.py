"""What a source of rows is: raw rows, each with the place where it was found, and how one becomes an example.

Reading files is in `files`, making rows in `generator`; which sources a profile names is in `profile_sources`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from fc_assets.data.rows.normalise import Example, normalise_row
from fc_assets.data.rows.tools import ToolReader


class RawRow(NamedTuple):
    """One row as it was found. `line` counts from 1: the line in a text file, the row in Parquet.

    With a `problem` the row could not be parsed, and `value` is the beginning of its text.
    """

    file: str
    line: int
    value: object
    problem: str = ""


class RowReader(Protocol):
    """Reads one raw row as an example. Raises `RowRejectedError` with the reason where that cannot be done."""

    def __call__(self, row: object, reader: ToolReader, *, fallback_id: str, source: str, licence: str) -> Example: ...


@dataclass(frozen=True)
class RowSource:
    """Raw rows, the function that reads one as an example, and the name and licence that its examples carry.

    `limit` keeps the first rows only; 0 keeps all. A `weight` above 0 keeps at most that many examples for each one of
    the sources before it. `root` is the file or folder that the rows come from, if any.
    """

    name: str
    licence: str
    rows: Iterable[RawRow]
    read: RowReader = normalise_row
    limit: int = 0
    weight: float = 0.0
    root: Path | None = None

    def file_of(self, row: RawRow) -> str:
        """The row's file as it is recorded: below the root, since where that lies differs from machine to machine."""
        if self.root is None or not row.file:
            return row.file
        file = Path(row.file)
        return file.relative_to(self.root).as_posix() if file != self.root else file.name
