"""Files of questions and predictions as rows to score, for the asset graph and for people outside it.

Data: rows in ShareGPT's or xLAM's form (`.json`, `.jsonl`, `.csv`), or the normalised table (`.parquet`). Predictions:
JSONL, CSV or Parquet with `id`, an answer, and where known `variant` and `finish_reason`. Judging is `scoring`, the
forms of an answer are `answer_forms`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import Turn, turns_of
from fc_assets.data.rows.held_out import FLAG_HELD_OUT_TEMPLATE, FLAG_HELD_OUT_TOOL, FLAG_OWN_TOOLS
from fc_assets.data.rows.normalise import normalise_row
from fc_assets.data.rows.rejection import RowRejectedError
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.files import read_files
from fc_assets.data.sources.row_source import RawRow
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answer_forms import FORMS, answer_of
from fc_assets.evaluation.answers import FAILED
from fc_assets.evaluation.scoring import HELD_OUT_TEMPLATES, HELD_OUT_TOOLS, KNOWN, ScoringRow

DEFAULT_VARIANT = "model"
_NEAR_DUPLICATE = "near_duplicate"


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's raw text for one question, and how it ended."""

    id: str
    text: str
    finish_reason: str = ""


def read_data(file: Path) -> list[Turn]:
    """The questions in a file. Raises FcAssetsError, naming the file and the row that cannot be read."""
    if file.suffix == ".parquet":
        rows = _parquet(file, ("id", "query", "tools", "calls"))
        return [turn for row in rows for turn in turns_of(_as_sharegpt(row))]
    raw = _csv(file) if file.suffix == ".csv" else read_files(file)
    reader = ToolReader()
    return [turn for row in raw for turn in turns_of(_readable(row, reader))]


def _readable(row: RawRow, reader: ToolReader) -> Mapping[str, Any]:
    """A row of either form in ShareGPT's."""
    place = f"{row.file} line {row.line}"
    if row.problem:
        raise FcAssetsError(f"{place}: {row.problem}; mend that row, or export the file again")
    if isinstance(row.value, dict) and "conversations" in row.value:
        return row.value
    try:
        example = normalise_row(row.value, reader, fallback_id=str(row.line))
    except RowRejectedError as error:
        raise FcAssetsError(
            f"{place}: {error}; a row needs conversations (ShareGPT) or query, tools and answers (xLAM)"
        ) from error
    return _as_sharegpt({"id": example.id, "query": example.query, "tools": example.tools, "calls": example.calls})


def read_predictions(file: Path) -> dict[str, list[Prediction]]:
    """Predictions by variant; those without one are `DEFAULT_VARIANT`'s. Raises FcAssetsError, naming file and line."""
    by_variant: dict[str, list[Prediction]] = {}
    for number, record in enumerate(_records(file), 1):
        row_id, text = record.get("id"), answer_of(record)
        if row_id is None or text is None:
            raise FcAssetsError(f"{file}, row {number}: a prediction needs an 'id' and {FORMS}, not {record!r:.200}")
        prediction = Prediction(str(row_id), text, str(record.get("finish_reason") or ""))
        by_variant.setdefault(str(record.get("variant") or DEFAULT_VARIANT), []).append(prediction)
    if not by_variant:
        raise FcAssetsError(f"{file} holds no prediction")
    return by_variant


def _records(file: Path) -> list[dict[str, Any]]:
    if file.suffix == ".parquet":
        return _parquet(file, ("id",))
    if file.suffix == ".csv":
        return [row.value for row in _csv(file) if isinstance(row.value, dict)]
    return _jsonl(file)


def scoring_rows(turns: Sequence[Turn], predictions: Iterable[Prediction]) -> list[ScoringRow]:
    """Each question with its prediction, in the questions' order; without one it counts as an infrastructure failure.

    Raises FcAssetsError for a prediction without a question or a question with two.
    """
    by_id: dict[str, Prediction] = {}
    for prediction in predictions:
        if prediction.id in by_id:
            raise FcAssetsError(f"row {prediction.id} has two predictions of the same variant; keep one")
        by_id[prediction.id] = prediction
    unknown = by_id.keys() - {turn.id for turn in turns}
    if unknown:
        raise FcAssetsError(
            f"{len(unknown)} predictions answer no row of the data (one is {min(unknown)!r}); "
            "score them against the data that they were made from"
        )
    return [_row(turn, by_id.get(turn.id) or Prediction(turn.id, "", FAILED)) for turn in turns]


def _row(turn: Turn, prediction: Prediction) -> ScoringRow:
    labels = turn.flags.get("flags")
    seen = turn.flags.get("tools_seen_in_train")
    return ScoringRow(
        id=turn.id,
        context=turn.context,
        tools=json.dumps(turn.tools),
        expected=turn.calls,
        text=prediction.text,
        tools_seen_in_train=None if seen is None else bool(seen),
        near_duplicate=any(_NEAR_DUPLICATE in str(label) for label in labels) if isinstance(labels, list) else None,
        finish_reason=prediction.finish_reason,
        multi_turn=turn.multi_turn,
        own_tools=_own_tools(labels) if isinstance(labels, list) else "",
    )


def _own_tools(labels: Sequence[object]) -> str:
    """Which kind of row about own tools these flags are of; empty for another row."""
    if FLAG_HELD_OUT_TOOL in labels:
        return HELD_OUT_TOOLS
    if FLAG_HELD_OUT_TEMPLATE in labels:
        return HELD_OUT_TEMPLATES
    return KNOWN if FLAG_OWN_TOOLS in labels else ""


def _as_sharegpt(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the normalised table in ShareGPT form; a conversation stands whole in its column `turns`."""
    question = {"from": "human", "value": row["query"]}
    calls = json.loads(row["calls"])
    answer = {"from": "function_call", "value": row["calls"]} if calls else {"from": "gpt", "value": ""}
    conversation = json.loads(row["turns"]) if row.get("turns") else [question, answer]
    flags = row.get("flags")
    return {
        "id": row["id"],
        "conversations": conversation,
        "tools": row["tools"],
        "tools_seen_in_train": row.get("tools_seen_in_train"),
        "flags": None if flags is None else list(flags),
    }


def _parquet(file: Path, needed: Sequence[str]) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise FcAssetsError(f"{file} cannot be read as Parquet: {error}") from error
    missing = [name for name in needed if name not in table.column_names]
    if missing:
        raise FcAssetsError(
            f"{file} has no column {', '.join(missing)}; its columns are {', '.join(table.column_names)}"
        )
    records: list[dict[str, Any]] = table.to_pylist()
    return records


def _csv(file: Path) -> list[RawRow]:
    """The rows of a CSV file with a head, every value as text; an empty one is not there."""
    import pandas as pd

    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise FcAssetsError(f"{file} cannot be read as CSV: {error}") from error
    rows = [{str(name): value for name, value in row.items() if value} for row in table.to_dict("records")]
    return [RawRow(str(file), line, row) for line, row in enumerate(rows, 2)]


def _jsonl(file: Path) -> list[dict[str, Any]]:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")  # not splitlines(): text may hold U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise FcAssetsError(f"{file} cannot be read: {error}") from error
    records = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise FcAssetsError(f"{file}, line {number} is not JSON: {error}") from error
        if not isinstance(record, dict):
            raise FcAssetsError(f"{file}, line {number} must be an object, but it is {line:.100}")
        records.append(record)
    return records
