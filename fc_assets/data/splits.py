"""Curated examples as a training and a validation split, both ShareGPT files; and those files read back row by row.

A row's place follows from a hash of the seed and its question. So the split is the same on every machine, rows with
the same question fall on the same side, and a row that joins or leaves the source moves few others. Conversations that
share any question, and what shares one with them, are one group with one place: the first of those of its questions.
Rows that are held out (`rows.held_out`) are for validation whatever their question, and count among its share.
Which examples are split is decided in `curation`; `split_building` puts the two together.
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
from typing import Any, BinaryIO

import orjson

from fc_assets.data.curation.curate import CuratedExample
from fc_assets.data.rows.held_out import is_held_out
from fc_assets.data.rows.normalise import Example
from fc_assets.data.rows.sharegpt import sharegpt_row, write_dataset_info
from fc_assets.data.sources.files import read_files
from fc_assets.errors import FcAssetsError
from fc_assets.names import SHAREGPT_TRAIN, SHAREGPT_VAL, split_file

TOOLS_SEEN = "tools_seen_in_train"
"""A validation row's field: whether training offers all its tools, too."""
_KEY_BYTES = 12
_BUFFER = 1 << 20

TrainingForm = Callable[[Example], Example | None]
"""The form in which an example is trained on; None where that is the example itself."""


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
    other_forms: dict[int, int] = field(default_factory=dict)  # row: length of its training form, stored behind it
    tools: list[tuple[int, ...]] = field(default_factory=list)
    calls: array[int] = field(default_factory=lambda: array("i"))
    sources: list[str] = field(default_factory=list)
    flags: list[tuple[str, ...]] = field(default_factory=list)


def split_rows(split: Path) -> Iterator[dict[str, Any]]:
    """The rows of a split file, one after another, so that memory does not grow with the file."""
    for raw in read_files(split):
        if not isinstance(raw.value, dict):
            raise FcAssetsError(f"{split} line {raw.line} is no ShareGPT row; make the split again")
        yield raw.value


def build_splits(
    curated: Iterable[CuratedExample],
    folders: tuple[Path, Path],
    scratch: Path,
    *,
    validation_share: float,
    seed: int,
    training_form: TrainingForm | None = None,
) -> tuple[SplitSummary, SplitSummary]:
    """Write the training split into the first folder and the validation split into the second.

    A row for which `training_form` gives another form (function masking) is trained on in that form and validated as it
    is. Rows are kept in a scratch file meanwhile, so memory holds only their places. Returns both summaries, training
    first. Raises `FcAssetsError` when a side would be empty.
    """
    store = scratch / "spooled-rows"
    tool_numbers = _ToolNumbers()
    with store.open("wb", _BUFFER) as stream:
        rows = _spool(curated, stream, seed, tool_numbers, training_form)
    order = sorted(range(len(rows.keys)), key=rows.keys.__getitem__)
    never_trained = [row for row in order if is_held_out(rows.flags[row])]
    order = [*never_trained, *(row for row in order if not is_held_out(rows.flags[row]))]
    cut = max(_cut(rows.keys, order, validation_share), len(never_trained))
    # By their keys again: who asks only the first of them asks some of every kind.
    held_out, kept = sorted(order[:cut], key=rows.keys.__getitem__), order[cut:]
    seen = {tool for row in kept if row not in rows.other_forms for tool in rows.tools[row]}

    def known(row: int) -> bool:
        return seen.issuperset(rows.tools[row])

    with store.open("rb") as stream:
        train = _write(folders[0], SHAREGPT_TRAIN, _for_training(stream, rows, kept), rows, kept)
        validation = _write(folders[1], SHAREGPT_VAL, _for_validation(stream, rows, held_out, known), rows, held_out)
    train.masked = sum(row in rows.other_forms for row in kept)
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
    curated: Iterable[CuratedExample],
    stream: BinaryIO,
    seed: int,
    tool_numbers: _ToolNumbers,
    training_form: TrainingForm | None,
) -> _Rows:
    rows, end = _Rows(), 0
    salt, groups = f"{seed}\0".encode(), _Groups()
    for number, (example, question, later) in enumerate(curated):
        written = stream.write(sharegpt_row(example))
        rows.starts.append(end)
        rows.lengths.append(written)
        end += written
        changed = training_form(example) if training_form else None
        if changed is not None:
            rows.other_forms[number] = stream.write(sharegpt_row(changed))
            end += rows.other_forms[number]
        rows.keys.append(_key(salt, question))
        groups.join(rows.keys[-1], [_key(salt, each) for each in later])
        rows.tools.append(tool_numbers.of(example.tools))
        rows.calls.append(len(orjson.loads(example.calls)))
        rows.sources.append(example.source)
        rows.flags.append(example.flags)
    rows.keys = [groups.key_of(key) for key in rows.keys]
    return rows


def _key(salt: bytes, question: str) -> bytes:
    return hashlib.blake2b(salt + question.encode(), digest_size=_KEY_BYTES).digest()


class _Groups:
    """Keys of questions that one conversation joins, directly or through others; the group's key is its least."""

    def __init__(self) -> None:
        self._above: dict[bytes, bytes] = {}

    def join(self, key: bytes, others: Iterable[bytes]) -> None:
        for other in others:
            least, greater = sorted((self.key_of(key), self.key_of(other)))
            if least != greater:
                self._above[greater] = least

    def key_of(self, key: bytes) -> bytes:
        if key not in self._above:
            return key
        top = key
        while top in self._above:
            top = self._above[top]
        while key != top:  # shorten the way for the next one
            self._above[key], key = top, self._above[key]
        return top


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
    """The stored rows in `order`, each in its training form where it has one."""
    handle = stream.fileno()
    for row in order:
        start, length = rows.starts[row], rows.lengths[row]
        if row in rows.other_forms:
            start, length = start + length, rows.other_forms[row]
        yield os.pread(handle, length, start)


def _for_validation(
    stream: BinaryIO, rows: _Rows, order: Iterable[int], known: Callable[[int], bool]
) -> Iterator[bytes]:
    """The stored rows in `order`, each saying whether training saw all its tools."""
    handle = stream.fileno()
    for row in order:
        text = os.pread(handle, rows.lengths[row], rows.starts[row])
        yield text[:-1] + b',"%s":%s}' % (TOOLS_SEEN.encode(), b"true" if known(row) else b"false")


def _write(folder: Path, name: str, texts: Iterator[bytes], rows: _Rows, order: Sequence[int]) -> SplitSummary:
    with (folder / split_file(name)).open("wb", _BUFFER) as stream:
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
