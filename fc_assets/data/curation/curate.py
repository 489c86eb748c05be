"""Which normalised examples become conversations, and under which flags; the stages run one after another on a stream.

A stage takes rows and yields rows, and counts in the `CurationReport` what it dropped or flagged. Similar questions are
found by `near_duplicates`, those of a benchmark by `contamination`; expected calls are judged by `gold`, new rows made
by `irrelevance`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import orjson
from xxhash import xxh3_128_digest

from fc_assets.data.curation.contamination import BenchmarkQuestions
from fc_assets.data.curation.gold import FLAG_COERCED, FLAG_IMPERFECT, audit, audit_turns
from fc_assets.data.curation.irrelevance import IrrelevanceMaker
from fc_assets.data.curation.near_duplicates import NearDuplicateIndex, fingerprints
from fc_assets.data.curation.observations import with_observation
from fc_assets.data.rows.normal_query import later_questions, normal_query
from fc_assets.data.rows.normalise import Example
from fc_assets.profiles import CurationSettings

if TYPE_CHECKING:
    from datasketch import MinHash

FLAG_BFCL = "near_duplicate_of_bfcl"
FLAG_NEAR_DUPLICATE = "near_duplicate"
_BATCH = 1000
_Row = TypeVar("_Row")


class CuratedExample(NamedTuple):
    """An example and its question: the normalised query of itself, or of the earlier row that it nearly repeats.

    `later` are the same of what a conversation asks after it. Rows that share a question must end on one side of the
    split.
    """

    example: Example
    question: str
    later: tuple[str, ...] = ()


class _Fingerprinted(NamedTuple):
    """An example, its question, those asked later, and the fingerprints of all of them, if they are wanted."""

    example: Example
    question: str
    later: tuple[str, ...]
    fingerprints: tuple[MinHash, ...]


@dataclass
class CurationReport:
    """What curation did. `dropped` lists (row id, reason) in order; `gold_causes` counts rows by cause."""

    read: int = 0
    dropped: list[tuple[str, str]] = field(default_factory=list)
    gold_causes: Counter[str] = field(default_factory=Counter)
    coerced: int = 0
    made_irrelevant: int = 0
    bfcl_questions: int = 0

    @property
    def dropped_by_reason(self) -> Counter[str]:
        """How many rows were dropped for each reason."""
        return Counter(reason for _, reason in self.dropped)


def curate(
    examples: Iterable[Example],
    settings: CurationSettings,
    report: CurationReport,
    *,
    bfcl_questions: Sequence[str],
    irrelevance: IrrelevanceMaker,
) -> Iterator[CuratedExample]:
    """All stages: exact repeats, the audit of expected calls, BFCL's questions, near-duplicates, irrelevance."""
    report.bfcl_questions = len(bfcl_questions)
    audited = _audited(without_repeats(examples, report), settings, report)
    rows = _with_fingerprints(audited, settings.near_duplicates != "keep")
    chosen = _compared_with_earlier(_compared_with_bfcl(rows, settings, report, bfcl_questions), settings, report)
    for curated in _with_irrelevance(chosen, irrelevance, report):
        yield curated._replace(example=with_observation(curated.example)) if settings.observations else curated


def without_repeats(examples: Iterable[Example], report: CurationReport) -> Iterator[CuratedExample]:
    """Leave out rows that repeat an earlier one's question, tools and calls."""
    seen: set[bytes] = set()
    for example in examples:
        report.read += 1
        question = normal_query(example.query)
        content = "\0".join((question, example.tools, example.calls, example.turns))
        key = xxh3_128_digest(content.encode())
        if key in seen:
            report.dropped.append((example.id, "exact duplicate"))
            continue
        seen.add(key)
        yield CuratedExample(example, question)


def _audited(
    stream: Iterable[CuratedExample], settings: CurationSettings, report: CurationReport
) -> Iterator[CuratedExample]:
    """Audit the expected calls with the four rewards; flag, coerce or drop rows that do not earn all of them."""
    coerce = settings.gold == "coerce"
    for example, question, _ in stream:
        if example.turns:
            found = audit_turns(example.tools, example.turns, coerce=coerce)
        else:
            found = audit(example.tools, example.calls, coerce=coerce)
        if found.cause:
            report.gold_causes[found.cause] += 1
        if found.perfect:
            if found.cause:
                report.coerced += 1
                mended = example._replace(turns=found.calls) if example.turns else example._replace(calls=found.calls)
                example = _flagged(mended, FLAG_COERCED)
            yield CuratedExample(example, question)
        elif settings.gold == "drop":
            report.dropped.append((example.id, f"expected call: {found.cause}"))
        else:
            yield CuratedExample(_flagged(example, FLAG_IMPERFECT), question)


def _with_fingerprints(stream: Iterable[CuratedExample], searching: bool) -> Iterator[_Fingerprinted]:
    """The rows with their questions' fingerprints, none where near-duplicates are not searched for."""
    for batch in _batches(stream):
        later = [_later(example) if example.turns else () for example, _, _ in batch]
        asked = [text for (_, question, _), more in zip(batch, later, strict=True) for text in (question, *more)]
        found = iter(fingerprints(asked) if searching else ())
        for (example, question, _), more in zip(batch, later, strict=True):
            yield _Fingerprinted(example, question, more, tuple(islice(found, 1 + len(more))))


def _compared_with_bfcl(
    stream: Iterable[_Fingerprinted], settings: CurationSettings, report: CurationReport, bfcl_questions: Sequence[str]
) -> Iterator[_Fingerprinted]:
    """Flag or drop rows that ask one of BFCL's questions, at first or later in the conversation."""
    benchmark = BenchmarkQuestions(normal_query(question) for question in bfcl_questions)
    if settings.bfcl == "keep" or not bfcl_questions:
        yield from stream
        return
    for batch in _batches(stream):
        asked = [(place, text) for place, row in enumerate(batch) for text in _questions(row)]
        found = benchmark.repeated_in([text for _, text in asked])
        repeating = {place for (place, _), repeats in zip(asked, found, strict=True) if repeats}
        for place, row in enumerate(batch):
            if place not in repeating:
                yield row
            elif settings.bfcl == "drop":
                report.dropped.append((row.example.id, "repeats a BFCL question"))
            else:
                yield row._replace(example=_flagged(row.example, FLAG_BFCL))


def _compared_with_earlier(
    stream: Iterable[_Fingerprinted], settings: CurationSettings, report: CurationReport
) -> Iterator[CuratedExample]:
    """Flag or drop rows that nearly repeat a question of an earlier one; what is kept has the earlier questions."""
    earlier = NearDuplicateIndex(settings.near_duplicate_similarity)
    for example, question, later, prints in stream:
        if not prints:
            yield CuratedExample(example, question, later)
            continue
        asked = (question, *later)
        found = [earlier.nearest(each) for each in prints]  # before its own are known: they may be like each other
        repeats = any(known not in (None, text) for known, text in zip(found, asked, strict=True))
        if repeats and settings.near_duplicates == "drop":
            report.dropped.append((example.id, "near-duplicate"))
            continue
        for known, text, each in zip(found, asked, prints, strict=True):
            if known is None:
                earlier.add(text, each)
        first, *more = (known or text for known, text in zip(found, asked, strict=True))
        yield CuratedExample(_flagged(example, FLAG_NEAR_DUPLICATE) if repeats else example, first, tuple(more))


def _with_irrelevance(
    stream: Iterable[CuratedExample], maker: IrrelevanceMaker, report: CurationReport
) -> Iterator[CuratedExample]:
    """After some rows, the same question once more with tools that cannot answer it."""
    for curated in stream:
        yield curated
        made = maker.after(curated.example)
        if made is not None:
            report.made_irrelevant += 1
            yield CuratedExample(made, curated.question)


def _flagged(example: Example, flag: str) -> Example:
    return example._replace(flags=(*example.flags, flag))


def _questions(row: _Fingerprinted) -> list[str]:
    return [row.question, *map(normal_query, _asked_later(row.example))]


def _later(example: Example) -> tuple[str, ...]:
    return tuple(later_questions(_asked_later(example)))


def _asked_later(example: Example) -> list[str]:
    """What the user asks later in a conversation, as it is written."""
    turns = orjson.loads(example.turns)[1:] if example.turns else ()
    return [turn["value"] for turn in turns if turn["from"] == "human"]


def _batches(stream: Iterable[_Row]) -> Iterator[list[_Row]]:
    rest = iter(stream)
    while batch := list(islice(rest, _BATCH)):
        yield batch
