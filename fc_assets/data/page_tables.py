"""The raw table and the splits as records of plain numbers and texts, for the tables of the page.

How the page shows a table is in `fc_assets.foundation.metadata`; what checks read is in `split_report`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from fc_assets.data.curation.curate import CurationReport
from fc_assets.data.rows.normalise import Example
from fc_assets.data.splits import SplitSummary, split_rows

SAMPLE_ROWS = 10
_SHOWN_CHARS = 300


def count_table(name: str, counts: Iterable[tuple[str, int]], unit: str = "rows") -> Iterator[dict[str, object]]:
    """One record for each entry, in the given order: the key under the column `name`, the count under `unit`."""
    for key, count in counts:
        yield {name: key, unit: count}


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
    for row in islice(split_rows(split), SAMPLE_ROWS):
        yield {
            "id": row["id"],
            "conversation": _cut("\n".join(f"{turn['from']}: {turn['value']}" for turn in row["conversations"])),
            "tools": ", ".join(tool["name"] for tool in json.loads(row["tools"])),
            "flags": ", ".join(row["flags"]),
        }


def split_table(summaries: Mapping[str, SplitSummary]) -> Iterator[dict[str, object]]:
    """One record for each split: rows, share, and how they are made up."""
    total = sum(summary.rows for summary in summaries.values())
    for name, summary in summaries.items():
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


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
