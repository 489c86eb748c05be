"""Which normalised examples become conversations, and under which flags; the stages run one after another on a stream.

A stage takes rows and yields rows, and counts in the `CurationReport` what it dropped or flagged. What makes
two queries similar is `similarity`; judging expected calls is `gold`; new rows are made in `irrelevance`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import orjson
from xxhash import xxh3_128_digest

from fc_assets.data.curation.gold import FLAG_COERCED, FLAG_IMPERFECT, audit, audit_turns
from fc_assets.data.curation.irrelevance import IrrelevanceMaker
from fc_assets.data.curation.observations import with_observation
from fc_assets.data.curation.similarity import Fingerprints
from fc_assets.data.rows.normalise import Example
from fc_assets.data.rows.queries import normal_query
from fc_assets.profiles import CurationSettings

FLAG_BFCL = "near_duplicate_of_bfcl"
FLAG_NEAR_DUPLICATE = "near_duplicate"
_BATCH = 1000


class Curated(NamedTuple):
    """An example and its question: the normalised query of itself, or of the earlier row that it nearly repeats.

    Rows of one question must end on one side of the split.
    """

    example: Example
    question: str


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
) -> Iterator[Curated]:
    """All stages in order: exact repeats, the audit of expected calls, BFCL's questions, near-duplicates, irrelevance.

    Without near-duplicate search (`near_duplicates: keep`) BFCL's questions are found by their normalised text only.
    """
    stream = judged(without_repeats(examples, report), settings, report)
    report.bfcl_questions = len(bfcl_questions)
    for curated in with_irrelevance(_compared(stream, settings, report, bfcl_questions), irrelevance, report):
        yield Curated(with_observation(curated.example), curated.question) if settings.observations else curated


def without_repeats(examples: Iterable[Example], report: CurationReport) -> Iterator[Curated]:
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
        yield Curated(example, question)


def judged(stream: Iterable[Curated], settings: CurationSettings, report: CurationReport) -> Iterator[Curated]:
    """Audit the expected calls with the four rewards; flag, coerce or drop rows that do not earn all of them."""
    for example, question in stream:
        judge, column = (audit_turns, "turns") if example.turns else (audit, "calls")
        verdict = judge(example.tools, getattr(example, column), coerce=settings.gold == "coerce")
        if verdict.cause:
            report.gold_causes[verdict.cause] += 1
        if verdict.perfect:
            if verdict.cause:
                report.coerced += 1
                example = example._replace(**{column: verdict.calls}, flags=(*example.flags, FLAG_COERCED))
            yield Curated(example, question)
        elif settings.gold == "drop":
            report.dropped.append((example.id, f"expected call: {verdict.cause}"))
        else:
            yield Curated(example._replace(flags=(*example.flags, FLAG_IMPERFECT)), question)


def _compared(
    stream: Iterable[Curated], settings: CurationSettings, report: CurationReport, bfcl_questions: Sequence[str]
) -> Iterator[Curated]:
    forbidden = {normal_query(question) for question in bfcl_questions}
    searching = settings.near_duplicates != "keep"
    if searching:
        bfcl = Fingerprints(settings.near_duplicate_similarity)
        bfcl.add_all(sorted(forbidden))
        earlier = Fingerprints(settings.near_duplicate_similarity)
    for batch in _batches(stream):
        marks = earlier.mark([question for _, question in batch]) if searching else [None] * len(batch)
        for (example, question), mark in zip(batch, marks, strict=True):
            asked = {question, *_later_questions(example)}
            repeats_bfcl = not forbidden.isdisjoint(asked) or (mark is not None and bfcl.nearest(mark))
            if settings.bfcl != "keep" and repeats_bfcl:
                if settings.bfcl == "drop":
                    report.dropped.append((example.id, "repeats a BFCL question"))
                    continue
                example = example._replace(flags=(*example.flags, FLAG_BFCL))
            if mark is None:
                yield Curated(example, question)
                continue
            repeated = earlier.nearest(mark)
            if repeated is None:
                earlier.add(question, mark)
            elif repeated != question:
                if settings.near_duplicates == "drop":
                    report.dropped.append((example.id, "near-duplicate"))
                    continue
                example = example._replace(flags=(*example.flags, FLAG_NEAR_DUPLICATE))
            yield Curated(example, repeated or question)


def with_irrelevance(stream: Iterable[Curated], maker: IrrelevanceMaker, report: CurationReport) -> Iterator[Curated]:
    """After some rows, the same question once more with tools that cannot answer it."""
    for curated in stream:
        yield curated
        made = maker.after(curated.example)
        if made is not None:
            report.made_irrelevant += 1
            yield Curated(made, curated.question)


def _later_questions(example: Example) -> Iterator[str]:
    """What the user asks later in a conversation, in normal form."""
    if example.turns:
        for turn in orjson.loads(example.turns)[1:]:
            if turn["from"] == "human":
                yield normal_query(turn["value"])


def _batches(stream: Iterable[Curated]) -> Iterator[list[Curated]]:
    rest = iter(stream)
    while batch := list(islice(rest, _BATCH)):
        yield batch
