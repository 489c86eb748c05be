"""What a release takes over from the artefacts upstream: the report's numbers, licences, questions answered rightly.

Each reader knows the files of one other room's artefact and returns plain values. Nothing is computed anew here, and
nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.conversations import Turn
from fc_assets.calls.judge import judge
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.json_files import read_json
from fc_assets.names import EVAL_REPORT, EXAMPLES, MODEL_FOLDER, PREDICTIONS, REPORT, RESULTS

OWN_LICENCE = "MIT"
APACHE = "Apache-2.0"
EMBEDDED = "embedded"


@dataclass(frozen=True)
class Measure:
    """One headline number of one variant with its 95 % interval; None where the report has none."""

    metric: str
    variant: str
    value: float
    low: float | None
    high: float | None
    rows: int


@dataclass(frozen=True)
class Licence:
    """Under which licence a source of the release came, and how many rows it gave (0 for a checkpoint)."""

    what: str
    licence: str
    rows: int


@dataclass(frozen=True)
class ReportTables:
    """What eval_report says: its metrics, and the further tables that it shows, by title."""

    measures: list[Measure]
    further: dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class BaseCheckpoint:
    """The checkpoint that everything started from: its name, the revision where it has one, and its source."""

    name: str
    revision: str
    source: str


def evaluation_tables(eval_report: Artifact) -> ReportTables:
    """The report's numbers, all metrics of all variants that have a value."""
    results = read_json(eval_report.path / RESULTS)
    measures = [
        Measure(metric, variant, values[metric], low, high, values["rows_counted"][metric])
        for variant, values in results["variants"].items()
        for metric, (low, high) in values["intervals"].items()
        if values[metric] is not None
    ]
    if not measures:
        raise FcAssetsError(f"{RESULTS} of {EVAL_REPORT} holds no metric: materialise {EVAL_REPORT} again")
    return ReportTables(measures, results.get("extra_tables", {}))


def base_checkpoint(base_model: Artifact) -> BaseCheckpoint:
    """What base_model recorded of itself."""
    report = read_json(base_model.path / REPORT)
    return BaseCheckpoint(name=report["name"], revision=report["revision"], source=report["source"])


def data_licences(xlam_raw: Artifact) -> list[Licence]:
    """One entry for each source and licence among the normalised examples."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(xlam_raw.path / EXAMPLES, columns=["source", "licence"])
    rows = Counter(zip(table["source"].to_pylist(), table["licence"].to_pylist(), strict=True))
    return [Licence(source, licence, count) for (source, licence), count in sorted(rows.items())]


def base_licence(base_model: Artifact) -> Licence:
    """The base checkpoint's licence: this project's own for the embedded one, else what its LICENSE file says."""
    base = base_checkpoint(base_model)
    name = base.name
    if base.source == EMBEDDED:
        return Licence(name, OWN_LICENCE, 0)
    for file in sorted((base_model.path / MODEL_FOLDER).glob("LICENSE*")):
        if "Apache License" in file.read_text(encoding="utf-8", errors="replace")[:2000]:
            return Licence(name, APACHE, 0)
        return Licence(name, f"see {MODEL_FOLDER}/{file.name}", 0)
    return Licence(name, "unknown: the checkpoint came without a licence file", 0)


def answered_rightly(predictions: Artifact, turns: Sequence[Turn]) -> Iterator[Turn]:
    """Those turns that expect calls and were answered with exactly those, in the split's order."""
    from fc_assets.evaluation.prediction_files import read_predictions

    (answers,) = read_predictions(predictions.path / PREDICTIONS).values()
    texts = {answer.id: answer.text for answer in answers}
    for turn in turns:
        if turn.calls and judge(texts.get(turn.id, ""), turn.tools, turn.calls).exact:
            yield turn
