"""From sources to the table of normalised examples and its quarantine: the work of `xlam_raw`.

Every row that is read becomes either an example or, with its reason, a line of the quarantine. Which examples are good
enough to train on is decided later, in `curation`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from pydantic import TypeAdapter

from fc_assets.data.rows.examples_file import example_writer
from fc_assets.data.rows.normalise import Example
from fc_assets.data.rows.parameters import RequiredPolicy
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.row_source import RawRow, RowSource
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import read_json, write_json
from fc_assets.names import EXAMPLES, REJECTS, SUMMARY

FLAG_REPEATED_ID = "repeated_id"
"""Another row had this id before; a number was put behind it."""

_SHOWN_REJECTS = 3
_KEPT_ROW_CHARS = 1 << 16


@dataclass
class RawSummary:
    """What was read, as the artefact's summary records it. All numbers but `unknown_types` count rows."""

    rows: int = 0
    rejected: int = 0
    no_call: int = 0
    by_source: Counter[str] = field(default_factory=Counter)
    by_reason: Counter[str] = field(default_factory=Counter)
    by_flag: Counter[str] = field(default_factory=Counter)
    unknown_types: Counter[str] = field(default_factory=Counter)

    @property
    def reject_share(self) -> float:
        """Rejected rows by all rows read; 0.0 when none were read."""
        return self.rejected / max(1, self.rows + self.rejected)


def read_summary(raw_table: Path) -> RawSummary:
    """The summary in the folder of a raw table."""
    return TypeAdapter(RawSummary).validate_python(read_json(raw_table / SUMMARY))


def build_raw_table(
    sources: Iterable[RowSource], out: Path, *, policy: RequiredPolicy, max_reject_share: float
) -> RawSummary:
    """Write examples, quarantine and summary into the folder `out` and return the summary.

    Raises `FcAssetsError` when no row is left or when more than `max_reject_share` of them were rejected; the sentence
    names the reasons and the first rows concerned.
    """
    summary, reader, seen = RawSummary(), ToolReader(policy), set[str]()
    with example_writer(out / EXAMPLES) as table, (out / REJECTS).open("wb") as stream:
        quarantine = _Quarantine(stream, summary)
        for source in sources:
            before = summary.rows
            most = before + round(source.weight * before) if source.weight else sys.maxsize
            for raw in islice(source.rows, source.limit or None):
                if summary.rows >= most:
                    break
                try:
                    example = _with_new_id(_read(source, raw, reader), seen)
                except RowRejectedError as error:
                    quarantine.add(source, raw, error)
                    continue
                table.write(example)
                summary.rows += 1
                summary.no_call += example.calls == "[]"
                if example.flags:
                    summary.by_flag.update(example.flags)
            summary.by_source[source.name] = summary.rows - before
    summary.unknown_types = reader.unknown_types
    write_json(out / SUMMARY, vars(summary))
    _expect_few_rejects(summary, max_reject_share, quarantine.first)
    return summary


class _Quarantine:
    """Rejected rows: each becomes a line of the file and counts in the summary. `first` names the first of them."""

    def __init__(self, stream: BinaryIO, summary: RawSummary) -> None:
        self.stream, self.summary = stream, summary
        self.first: list[str] = []

    def add(self, source: RowSource, raw: RawRow, error: RowRejectedError) -> None:
        self.summary.rejected += 1
        self.summary.by_reason[error.reason] += 1
        self.stream.write(_quarantine_line(source, raw, error))
        if len(self.first) < _SHOWN_REJECTS:
            self.first.append(f"{_place(raw)}: {error}")


def _expect_few_rejects(summary: RawSummary, max_reject_share: float, first_rejects: Sequence[str]) -> None:
    if summary.reject_share > max_reject_share or not summary.rows:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in summary.by_reason.most_common(5))
        raise FcAssetsError(
            f"{summary.rejected} of {summary.rows + summary.rejected} rows cannot be read, more than the share "
            f"{max_reject_share:g} that data.max_reject_share allows: {reasons}; the first are "
            f"{'; '.join(first_rejects)}. Mend the source, or raise that share"
        )


def _read(source: RowSource, raw: RawRow, reader: ToolReader) -> Example:
    if raw.problem:
        raise RowRejectedError(raw.problem)
    return source.read(
        raw.value, reader, fallback_id=f"{source.name}-{raw.line}", source=source.name, licence=source.licence
    )


def _with_new_id(example: Example, seen: set[str]) -> Example:
    """The example under an id that no earlier one has: splits and predictions are joined by it."""
    if example.id in seen:
        number = 2
        while f"{example.id}~{number}" in seen:
            number += 1
        example = example._replace(id=f"{example.id}~{number}", flags=(*example.flags, FLAG_REPEATED_ID))
    seen.add(example.id)
    return example


def _place(raw: RawRow) -> str:
    row_id = _row_id(raw)
    place = f"{raw.file} line {raw.line}" if raw.file else f"row {raw.line}"
    return f"{place}, id {row_id}" if row_id else place


def _row_id(raw: RawRow) -> str:
    row_id = raw.value.get("id") if isinstance(raw.value, dict) else None
    return "" if row_id is None else str(row_id)[:200]


def _quarantine_line(source: RowSource, raw: RawRow, error: RowRejectedError) -> bytes:
    """One line of the quarantine. The row itself is kept as JSON text, up to `_KEPT_ROW_CHARS`."""
    line = {
        "source": source.name,
        "file": source.file_of(raw),
        "line": raw.line,
        "id": _row_id(raw),
        "reason": error.reason,
        "detail": error.detail,
        "row": json.dumps(raw.value, default=repr)[:_KEPT_ROW_CHARS],
    }
    return json.dumps(line).encode() + b"\n"
