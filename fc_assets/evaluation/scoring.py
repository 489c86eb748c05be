"""Many answers of one model, judged: one row of a table for each, with every count that the metrics are made of.

What the counts mean is `fc_assets.calls.metrics`; reading files is `prediction_files`; intervals, tests and words are
`report`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from fc_assets.calls.call import Call, calls_from_json, calls_to_json
from fc_assets.calls.judge import judge
from fc_assets.calls.metrics import COLUMNS, RowScore, score_judgement
from fc_assets.calls.prompts import answer_text
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import CUT, FAILED, judged_text
from fc_assets.evaluation.taxonomy import failures
from fc_assets.foundation.json_files import writable

if TYPE_CHECKING:
    import pandas as pd

MAX_FAILED_SHARE = 0.01
KNOWN = "known"
"""A row about own tools that training has seen, phrased as training rows are."""
HELD_OUT_TEMPLATES = "held-out templates"
HELD_OUT_TOOLS = "held-out tools"
_MOST = 0.5


class TooManyFailedError(FcAssetsError):
    """So many rows have no answer that the rest would not be a fair sample."""


@dataclass(frozen=True, slots=True)
class ScoringRow:
    """One question with its expected calls and one model's answer.

    `context` is all that the model was told (the query; in a conversation also what the tools said). `tools` is the
    JSON text of the tools offered. The strata flags are None where they are unknown; `own_tools` is empty for a row
    that is not about a user's own tools, else `KNOWN`, `HELD_OUT_TEMPLATES` or `HELD_OUT_TOOLS`. `finish_reason` is
    that of `answers.Answer`: `FAILED` marks an infrastructure failure, an answer that never came.
    """

    id: str
    context: str
    tools: str
    expected: tuple[Call, ...]
    text: str
    tools_seen_in_train: bool | None = None
    near_duplicate: bool | None = None
    finish_reason: str = ""
    multi_turn: bool | None = None
    own_tools: str = ""


def score_rows(
    rows: Sequence[ScoringRow], weights: Mapping[str, float], max_failed_share: float = MAX_FAILED_SHARE
) -> pd.DataFrame:
    """Judge every row: one table row each, in the same order.

    Columns: id, context, tools, expected (JSON), text, finish_reason, infrastructure_failure, cluster (digest of the
    set of tools), call_kind ("one call", "parallel calls", "no call"), tools_seen_in_train, near_duplicate, multi_turn,
    own_tools, failures (JSON list of [category, detail]), and every column of `RowScore`, `reward` being weighted by
    `weights`. An infrastructure failure is not judged: its scores are missing. An answer that was cut before its first
    call is a miss, also where silence is right. Raises TooManyFailedError where failures are more than
    `max_failed_share`, FcAssetsError where there is no row or a row's tools are malformed.
    """
    import pandas as pd

    if not rows:
        raise FcAssetsError("There is no row to score: the data or the predictions are empty")
    _check_failed(rows, max_failed_share)
    frame = pd.DataFrame([_record(row, weights) for row in rows])
    for column in ("tools_seen_in_train", "near_duplicate", "multi_turn"):
        frame[column] = frame[column].astype("boolean")
    return frame


def gold_rows(frame: pd.DataFrame, weights: Mapping[str, float]) -> list[RowScore]:
    """The scores of the expected calls themselves, for each row of `frame`: the ceiling that the data allows."""
    scores = []
    columns = (frame[name] for name in ("context", "tools", "expected"))
    for context, tools, calls in zip(*columns, strict=True):
        expected = calls_from_json(calls)
        text = answer_text(expected)
        scores.append(score_judgement(judge(text, tools, expected), text, context, weights))
    return scores


def judged(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that have an answer."""
    return frame[~frame["infrastructure_failure"]]


def unreadable(frame: pd.DataFrame) -> str:
    """A sentence where most answers that should hold a call hold none that can be read; empty where not."""
    expecting = judged(frame)[lambda rows: rows["expects_call"] == 1]
    without = int((expecting["parse_ok_lenient"] == 0).sum())
    if without <= _MOST * len(expecting):
        return ""
    return (
        f"{without} of {len(expecting)} answers that should hold a call hold none that can be read; a call is a "
        '<tool_call> block around {"name": ..., "arguments": {...}}, or an entry of OpenAI\'s tool_calls'
    )


def _check_failed(rows: Sequence[ScoringRow], max_failed_share: float) -> None:
    failed = [row.id for row in rows if row.finish_reason == FAILED]
    if len(failed) > max_failed_share * len(rows):
        raise TooManyFailedError(
            f"{len(failed)} of {len(rows)} rows have no answer (the first is {failed[0]!r}), more than the "
            f"{max_failed_share:.1%} that may be missing; ask these rows again before scoring"
        )


def _record(row: ScoringRow, weights: Mapping[str, float]) -> dict[str, object]:
    record: dict[str, object] = {
        "id": row.id,
        "context": writable(row.context),
        "tools": row.tools,
        "expected": calls_to_json(row.expected),
        "text": writable(row.text),
        "finish_reason": row.finish_reason,
        "infrastructure_failure": row.finish_reason == FAILED,
        "cluster": _tool_set_digest(row.tools),
        "call_kind": _call_kind(row.expected),
        "tools_seen_in_train": row.tools_seen_in_train,
        "near_duplicate": row.near_duplicate,
        "multi_turn": row.multi_turn,
        "own_tools": row.own_tools,
        "failures": "[]",
    }
    if row.finish_reason == FAILED:
        return {**record, **dict.fromkeys(COLUMNS)}
    text, cut = writable(judged_text(row.text, row.finish_reason)), row.finish_reason == CUT
    try:
        judgement = judge(text, row.tools, row.expected)
    except FcAssetsError as error:
        raise FcAssetsError(f"row {row.id}: {error}") from error
    found = [(failure.category, failure.detail) for failure in failures(judgement, row.context, cut=cut)]
    record["failures"] = json.dumps(found) if found else "[]"
    score = score_judgement(judgement, text, row.context, weights, cut=cut)
    return record | {column: getattr(score, column) for column in COLUMNS}


def _call_kind(expected: Sequence[Call]) -> str:
    return "no call" if not expected else "one call" if len(expected) == 1 else "parallel calls"


@lru_cache(maxsize=16384)
def _tool_set_digest(tools: str) -> str:
    return _digest(sorted(json.dumps(tool, sort_keys=True) for tool in json.loads(tools)))


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
