"""The splits and the raw table as records for people: tables of the page, and the report that checks read.

Plain numbers and texts; how the page shows them is `fc_assets.foundation.metadata`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from fc_assets.data.curation.curate import CurationReport
from fc_assets.data.rows.normalise import Example
from fc_assets.data.sources.files import read_files
from fc_assets.data.splits import SplitSummary

SAMPLE_ROWS = 10
_SHOWN_CHARS = 300


def sample_examples(examples: Iterable[Example]) -> Iterator[dict[str, object]]:
    """The first rows of the raw table, texts cut to a readable length."""
    for example in islice(examples, SAMPLE_ROWS):
        yield {
            "id": example.id,
            "query": _cut(example.query),
            "calls": _cut(example.calls),
            "tools": ", ".join(tool["name"] for tool in json.loads(example.tools)),
            "source": example.source,
            "flags": ", ".join(example.flags),
        }


def sample_conversations(split: Path) -> Iterator[dict[str, object]]:
    """The first rows of a split file."""
    for raw in islice(read_files(split), SAMPLE_ROWS):
        row: Any = raw.value
        yield {
            "id": row["id"],
            "conversation": _cut("\n".join(f"{turn['from']}: {turn['value']}" for turn in row["conversations"])),
            "tools": ", ".join(tool["name"] for tool in json.loads(row["tools"])),
            "flags": ", ".join(row["flags"]),
        }


def split_table(summaries: Sequence[tuple[str, SplitSummary]]) -> Iterator[dict[str, object]]:
    """One record for each split: rows, share, and how they are made up."""
    total = sum(summary.rows for _, summary in summaries)
    for name, summary in summaries:
        one, several = summary.calls_per_row[1], sum(n for calls, n in summary.calls_per_row.items() if calls > 1)
        yield {
            "split": name,
            "rows": summary.rows,
            "share": summary.rows / total,
            "one call": one,
            "several calls": several,
            "no call": summary.calls_per_row[0],
            "all tools seen in training": summary.tools_seen,
            "masked": summary.masked,
        }


def curation_table(report: CurationReport) -> Iterator[dict[str, object]]:
    """What became of the rows of the raw table, and of their expected calls."""
    yield {"what": "rows read", "rows": report.read}
    for reason, rows in report.dropped_by_reason.most_common():
        yield {"what": f"dropped: {reason}", "rows": rows}
    for cause, rows in report.gold_causes.most_common():
        yield {"what": f"expected call below full reward: {cause}", "rows": rows}
    yield {"what": "expected calls mended", "rows": report.coerced}
    yield {"what": "made: same question, tools that cannot answer", "rows": report.made_irrelevant}
    yield {"what": "BFCL questions compared with", "rows": report.bfcl_questions}


def split_report(
    summary: SplitSummary, curation: CurationReport, tokens: Mapping[str, Any], context: int, seed: int
) -> dict[str, object]:
    """The artefact's `report.json`; all numbers count rows unless their name says otherwise."""
    return {
        **vars(summary),
        "curation": {
            "read": curation.read,
            "dropped": curation.dropped_by_reason,
            "gold_causes": curation.gold_causes,
            "coerced": curation.coerced,
            "made_irrelevant": curation.made_irrelevant,
            "bfcl_questions": curation.bfcl_questions,
        },
        "seed": seed,
        "context_tokens": context,
        "turns": tokens["turns"],
        "turns_longer_than_context": tokens["too_long"],
        "longer_than_context": tokens["too_long_ids"],
    }


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
