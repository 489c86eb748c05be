"""Files of questions and predictions as rows to score, for the asset graph and for people outside it.

Data: a ShareGPT split (`.json`) or the normalised table (`.parquet`). Predictions: JSONL or Parquet with `id`, `text`,
and where known `variant` and `finish_reason`. Judging is `scoring`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import Turn, read_turns, turns_of
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import FAILED
from fc_assets.evaluation.scoring import ScoringRow

DEFAULT_VARIANT = "model"
_NEAR_DUPLICATE = "near_duplicate"


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's raw text for one question, and how it ended."""

    id: str
    text: str
    finish_reason: str = ""


def read_data(file: Path) -> list[Turn]:
    """The questions of a ShareGPT split or a normalised table. Raises FcAssetsError, naming the file and the row."""
    if file.suffix != ".parquet":
        return read_turns(file)
    return [turn for row in _parquet(file, ("id", "query", "tools", "calls")) for turn in turns_of(_as_sharegpt(row))]


def read_predictions(file: Path) -> dict[str, list[Prediction]]:
    """Predictions by variant; those without one are `DEFAULT_VARIANT`'s. Raises FcAssetsError, naming file and line."""
    records = _parquet(file, ("id", "text")) if file.suffix == ".parquet" else _jsonl(file)
    by_variant: dict[str, list[Prediction]] = {}
    for number, record in enumerate(records, 1):
        row_id, text = record.get("id"), record.get("text")
        if row_id is None or not isinstance(text, str):
            raise FcAssetsError(
                f'{file}, row {number}: a prediction needs an "id" and a "text", but it is {record!r:.200}'
            )
        prediction = Prediction(str(row_id), text, str(record.get("finish_reason") or ""))
        by_variant.setdefault(str(record.get("variant") or DEFAULT_VARIANT), []).append(prediction)
    if not by_variant:
        raise FcAssetsError(f"{file} holds no prediction")
    return by_variant


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
    )


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
        except ValueError as error:
            raise FcAssetsError(f"{file}, line {number} is not JSON: {error}") from error
        if not isinstance(record, dict):
            raise FcAssetsError(f"{file}, line {number} must be an object, but it is {line:.100}")
        records.append(record)
    return records
