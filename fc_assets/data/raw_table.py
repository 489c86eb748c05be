"""From sources to the normalised table and its quarantine: the work of `xlam_raw`.

Everything read ends either in `examples.parquet` or, with its reason, in `rejects.jsonl`. Which examples are good
enough to train on is decided later, in `curation`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from fc_assets.data.rows.normalise import Example, normalise_row
from fc_assets.data.rows.table import EXAMPLES, writing
from fc_assets.data.rows.tools import RequiredPolicy, RowRejectedError, ToolReader
from fc_assets.data.sources.files import RawRow
from fc_assets.errors import FcAssetsError

REJECTS = "rejects.jsonl"
SUMMARY = "summary.json"
FLAG_REPEATED_ID = "repeated_id"
"""Another row had this id before; a number was put behind it."""

_SHOWN_REJECTS = 3
_KEPT_ROW_CHARS = 1 << 16


@dataclass(frozen=True)
class Source:
    """Raw rows, how each becomes an example, and where they come from.

    `limit` keeps the first rows only; 0 keeps all. A `weight` above 0 keeps at most that many examples for each one of
    the sources before it.
    """

    name: str
    licence: str
    rows: Iterable[RawRow]
    read: Callable[..., Example] = normalise_row
    limit: int = 0
    weight: float = 0.0


@dataclass
class RawSummary:
    """What was read; the content of `summary.json`. All numbers but `unknown_types` count rows."""

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


def build_raw(sources: Iterable[Source], out: Path, *, policy: RequiredPolicy, max_reject_share: float) -> RawSummary:
    """Write `examples.parquet`, `rejects.jsonl` and `summary.json` into `out` and return the summary.

    Raises `FcAssetsError` when no row is left or when more than `max_reject_share` of them were rejected; the sentence
    names the reasons and the first rows concerned.
    """
    summary, reader, seen = RawSummary(), ToolReader(policy), set[str]()
    first_rejects: list[str] = []
    with writing(out / EXAMPLES) as table, (out / REJECTS).open("wb") as rejects:
        for source in sources:
            before = summary.rows
            most = before + round(source.weight * before) if source.weight else sys.maxsize
            for raw in islice(source.rows, source.limit or None):
                if summary.rows >= most:
                    break
                try:
                    example = _unique(_read(source, raw, reader), seen)
                except RowRejectedError as error:
                    summary.rejected += 1
                    summary.by_reason[error.reason] += 1
                    rejects.write(_reject(source, raw, error))
                    if len(first_rejects) < _SHOWN_REJECTS:
                        first_rejects.append(f"{_where(raw)}: {error}")
                    continue
                table.write(example)
                summary.rows += 1
                summary.no_call += example.calls == "[]"
                if example.flags:
                    summary.by_flag.update(example.flags)
            summary.by_source[source.name] = summary.rows - before
    summary.unknown_types = reader.unknown_types
    (out / SUMMARY).write_text(json.dumps(vars(summary), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if summary.reject_share > max_reject_share or not summary.rows:
        reasons = ", ".join(f"{reason} ({count})" for reason, count in summary.by_reason.most_common(5))
        raise FcAssetsError(
            f"{summary.rejected} of {summary.rows + summary.rejected} rows cannot be read, more than the share "
            f"{max_reject_share:g} that data.max_reject_share allows: {reasons}; the first are "
            f"{'; '.join(first_rejects)}. Mend the source, or raise that share"
        )
    return summary


def _read(source: Source, raw: RawRow, reader: ToolReader) -> Example:
    if raw.problem:
        raise RowRejectedError(raw.problem)
    return source.read(
        raw.value, reader, fallback_id=f"{source.name}-{raw.line}", source=source.name, licence=source.licence
    )


def _unique(example: Example, seen: set[str]) -> Example:
    """The example under an id that no earlier one has: splits and predictions are joined by it."""
    if example.id in seen:
        number = 2
        while f"{example.id}~{number}" in seen:
            number += 1
        example = example._replace(id=f"{example.id}~{number}", flags=(*example.flags, FLAG_REPEATED_ID))
    seen.add(example.id)
    return example


def _where(raw: RawRow) -> str:
    row_id = _row_id(raw)
    place = f"{raw.file} line {raw.line}" if raw.file else f"row {raw.line}"
    return f"{place}, id {row_id}" if row_id else place


def _row_id(raw: RawRow) -> str:
    row_id = raw.value.get("id") if isinstance(raw.value, dict) else None
    return "" if row_id is None else str(row_id)[:200]


def _reject(source: Source, raw: RawRow, error: RowRejectedError) -> bytes:
    """One line of the quarantine. The row itself is kept as JSON text, up to `_KEPT_ROW_CHARS`."""
    line = {
        "source": source.name,
        "file": raw.file,
        "line": raw.line,
        "id": _row_id(raw),
        "reason": error.reason,
        "detail": error.detail,
        "row": json.dumps(raw.value, default=repr)[:_KEPT_ROW_CHARS],
    }
    return json.dumps(line).encode() + b"\n"
