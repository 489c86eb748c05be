"""Every row with all variants' answers, as the page's script is given them to browse and to filter. Judges nothing.

What is wrong with an answer was found by `scoring`; how rows look is `templates/rows.js`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from fc_assets.calls.parse import parse_strict
from fc_assets.evaluation.answers import judged_text
from fc_assets.evaluation.report.model import Report, label
from fc_assets.foundation.json_files import finite

_Row = Mapping[Any, Any]
"""One row of a judged table, by column."""

RIGHT, NO_ANSWER, OVER_CALLED = "right", "no answer", "called when it should not"
"""What an answer can be beside the categories of `taxonomy`: all right, never given, a call where none was expected."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "unreadable": ("cut", "malformed"),
    "wrong name": ("unknown tool", "wrong tool"),
    "wrong parameters": ("missing required", "extra argument", "wrong type", "hallucinated value", "wrong value"),
    "wrong number of calls": ("no call", "missing call", "extra call"),
    OVER_CALLED: (OVER_CALLED,),
    NO_ANSWER: (NO_ANSWER,),
}
"""The kinds of failure that rows are filtered by, each with what it is made of."""

_VERDICTS = {"parse_ok": "parses", "names_ok": "names", "schema_ok": "schema", "exec_ok": "runs", "exact": "exact"}
"""The columns that say yes or no of an answer, and their names on the page."""


def browsable(report: Report) -> dict[str, Any]:
    """All rows as JSON data: `variants` (labels), `kinds` (the filters), `changes` (pairs of variants), `tools` (each
    set of tools once) and `rows`.

    A row has id, context, kind of call, the index of its tools, the expected calls, and an answer for each variant, in
    their order: raw text, how it ended, parsed calls, verdicts by name (None where one does not apply), what it `is`
    (`RIGHT`, `NO_ANSWER`, `OVER_CALLED` or categories, the first one leading) and the categories with their details.
    """
    tables = [{row["id"]: row for row in frame.to_dict("records")} for frame in report.frames.values()]
    sets: dict[str, int] = {}
    rows = []
    for row_id, first in tables[0].items():
        rows.append(
            {
                "id": row_id,
                "context": first["context"],
                "call_kind": first["call_kind"],
                "tools": sets.setdefault(first["tools"], len(sets)),
                "expected": json.loads(first["expected"]),
                "answers": [_answer(table[row_id]) for table in tables],
            }
        )
    return {
        "variants": [label(variant) for variant in report.variants],
        "kinds": {kind: list(parts) for kind, parts in KINDS.items()},
        "changes": [list(pair) for pair in pairwise(range(len(report.variants)))],
        "right": RIGHT,
        "tools": [json.loads(tools) for tools in sets],
        "rows": rows,
    }


def _answer(row: _Row) -> dict[str, Any]:
    failures = json.loads(row["failures"])
    parsed = parse_strict(judged_text(row["text"], row["finish_reason"]))
    return {
        "text": row["text"],
        "ended": row["finish_reason"],
        "calls": [call.as_dict() for call in parsed.calls],
        "verdicts": {name: _verdict(row, column) for column, name in _VERDICTS.items()},
        "is": _answer_is(row, failures),
        "failures": failures,
    }


def _answer_is(row: _Row, failures: list[list[str]]) -> list[str]:
    if row["infrastructure_failure"]:
        return [NO_ANSWER]
    over_called = [OVER_CALLED] if row["over_called"] == 1 else []
    return [*over_called, *dict.fromkeys(category for category, _ in failures)] or [RIGHT]


def _verdict(row: _Row, column: str) -> bool | None:
    """None for a row without an answer, and for schema and execution where no call is expected."""
    value = finite(row[column])
    if value is None or (column in ("schema_ok", "exec_ok") and not row["expects_call"]):
        return None
    return bool(value)
