"""Training and validation split as ShareGPT files: the work of `sharegpt_splits`, behind curation.

A row's place follows from a hash of the seed and its question. So the split is the same on every machine, rows with
the same question fall on the same side, and a row that joins or leaves the source moves few others.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import orjson

from fc_assets.data.curation.curate import Curated
from fc_assets.data.rows.normalise import Example
from fc_assets.data.rows.sharegpt import sharegpt_row, write_dataset_info
from fc_assets.errors import FcAssetsError

TRAIN = "sharegpt_train"
VALIDATION = "sharegpt_val"
SEEN = "tools_seen_in_train"
_KEY_BYTES = 12
_BUFFER = 1 << 20

Variant = Callable[[Example], Example | None]


@dataclass
class SplitSummary:
    """What one split holds. The counters map a number, or a name, to rows."""

    rows: int = 0
    calls_per_row: Counter[int] = field(default_factory=Counter)
    tools_per_row: Counter[int] = field(default_factory=Counter)
    by_source: Counter[str] = field(default_factory=Counter)
    by_flag: Counter[str] = field(default_factory=Counter)
    tools_seen: int = 0
    masked: int = 0


@dataclass
class _Rows:
    """Every row's place in the scratch file and what deciding about it needs; some 150 bytes a row."""

    keys: list[bytes] = field(default_factory=list)
    starts: array[int] = field(default_factory=lambda: array("q"))
    lengths: array[int] = field(default_factory=lambda: array("q"))
    variants: dict[int, int] = field(default_factory=dict)  # row: length of the variant stored behind it
    tools: list[tuple[int, ...]] = field(default_factory=list)
    calls: array[int] = field(default_factory=lambda: array("i"))
    sources: list[str] = field(default_factory=list)
    flags: list[tuple[str, ...]] = field(default_factory=list)


def split_file(folder: Path, name: str) -> Path:
    """Where the rows of a split artefact lie."""
    return folder / f"{name}.json"


def build_splits(
    curated: Iterable[Curated],
    folders: tuple[Path, Path],
    scratch: Path,
    *,
    validation_share: float,
    seed: int,
    variant: Variant | None = None,
) -> tuple[SplitSummary, SplitSummary]:
    """Write `sharegpt_train.json` and `sharegpt_val.json`, each with its `dataset_info.json`, into the two folders.

    A row for which `variant` gives another form (function masking) is trained on in that form and validated as it is.
    Rows are kept in a scratch file meanwhile, so memory holds only their places. Returns both summaries, training
    first. Raises `FcAssetsError` when a side would be empty.
    """
    store = scratch / "spooled-rows"
    tool_numbers = _ToolNumbers()
    with store.open("wb", _BUFFER) as stream:
        rows = _spool(curated, stream, seed, tool_numbers, variant)
    order = sorted(range(len(rows.keys)), key=rows.keys.__getitem__)
    cut = _cut(rows.keys, order, validation_share)
    held_out, kept = order[:cut], order[cut:]
    seen = {tool for row in kept if row not in rows.variants for tool in rows.tools[row]}

    def known(row: int) -> bool:
        return seen.issuperset(rows.tools[row])

    with store.open("rb") as stream:
        train = _write(folders[0], TRAIN, _for_training(stream, rows, kept), rows, kept)
        validation = _write(folders[1], VALIDATION, _for_validation(stream, rows, held_out, known), rows, held_out)
    train.masked = sum(row in rows.variants for row in kept)
    validation.tools_seen = sum(map(known, held_out))
    store.unlink()
    return train, validation


class _ToolNumbers:
    """A small number for each distinct tool, so that rows can name theirs cheaply. Equal within one process only."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.of = lru_cache(maxsize=16_384)(self._of)

    def _of(self, tools: str) -> tuple[int, ...]:
        keys = [hash(orjson.dumps(tool)) for tool in orjson.loads(tools)]
        return tuple([self.numbers.setdefault(key, len(self.numbers)) for key in keys])


def _spool(
    curated: Iterable[Curated], stream: BinaryIO, seed: int, tool_numbers: _ToolNumbers, variant: Variant | None
) -> _Rows:
    rows, end = _Rows(), 0
    salt = f"{seed}\0".encode()
    for number, (example, question) in enumerate(curated):
        written = stream.write(sharegpt_row(example))
        rows.starts.append(end)
        rows.lengths.append(written)
        end += written
        changed = variant(example) if variant else None
        if changed is not None:
            rows.variants[number] = stream.write(sharegpt_row(changed))
            end += rows.variants[number]
        rows.keys.append(hashlib.blake2b(salt + question.encode(), digest_size=_KEY_BYTES).digest())
        rows.tools.append(tool_numbers.of(example.tools))
        rows.calls.append(len(orjson.loads(example.calls)))
        rows.sources.append(example.source)
        rows.flags.append(example.flags)
    return rows


def _cut(keys: Sequence[bytes], order: Sequence[int], share: float) -> int:
    """How many rows, first in order, are held out: the share, moved to where one question ends and another begins."""
    cut = round(len(order) * share)
    down = up = cut
    while 0 < down < len(order) and keys[order[down - 1]] == keys[order[down]]:
        down -= 1
    while 0 < up < len(order) and keys[order[up - 1]] == keys[order[up]]:
        up += 1
    cut = down if down > 0 and cut - down <= up - cut else up
    if not 0 < cut < len(order):
        raise FcAssetsError(
            f"Rows: {len(order)}, different queries: {len(set(keys))}; they cannot be split with a validation share of "
            f"{share:g}: take more rows, or another data.validation_share"
        )
    return cut


def _for_training(stream: BinaryIO, rows: _Rows, order: Iterable[int]) -> Iterator[bytes]:
    """The stored rows in `order`, each in its variant where it has one."""
    handle = stream.fileno()
    for row in order:
        start, length = rows.starts[row], rows.lengths[row]
        if row in rows.variants:
            start, length = start + length, rows.variants[row]
        yield os.pread(handle, length, start)


def _for_validation(
    stream: BinaryIO, rows: _Rows, order: Iterable[int], known: Callable[[int], bool]
) -> Iterator[bytes]:
    """The stored rows in `order`, each saying whether training saw all its tools."""
    handle = stream.fileno()
    for row in order:
        text = os.pread(handle, rows.lengths[row], rows.starts[row])
        yield text[:-1] + b',"%s":%s}' % (SEEN.encode(), b"true" if known(row) else b"false")


def _write(folder: Path, name: str, texts: Iterator[bytes], rows: _Rows, order: Sequence[int]) -> SplitSummary:
    with split_file(folder, name).open("wb", _BUFFER) as stream:
        stream.write(b"[\n" + next(texts))
        stream.writelines(b",\n" + text for text in texts)
        stream.write(b"\n]\n")
    write_dataset_info(folder, name)
    return SplitSummary(
        rows=len(order),
        calls_per_row=Counter(map(rows.calls.__getitem__, order)),
        tools_per_row=Counter(map(len, map(rows.tools.__getitem__, order))),
        by_source=Counter(map(rows.sources.__getitem__, order)),
        by_flag=Counter(chain.from_iterable(map(rows.flags.__getitem__, order))),
    )
