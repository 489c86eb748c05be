"""What a release says about itself, gathered from the artefacts it was made from: numbers, licences, answered rows.

Each reader knows the files of one other room's artefact and returns plain values; nothing is computed anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.conversations import Turn
from fc_assets.calls.judge import judge
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.names import EXAMPLES, PREDICTIONS, RESULTS

OWN_LICENCE = "MIT"
APACHE = "Apache-2.0"
EMBEDDED = "embedded"
BASE_REPORT = "report.json"
RECOMMENDATION_FILE = "recommendation.json"


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
class Tables:
    """What eval_report says: its metrics, and the further tables that it shows, by title."""

    measures: Sequence[Measure]
    further: Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class Base:
    """The checkpoint that everything started from: its name, the revision where it has one, and its source."""

    name: str
    revision: str
    source: str


def evaluation_tables(eval_report: Artifact) -> Tables:
    """The report's numbers, all metrics of all variants that have a value."""
    results = eval_report.read_json(RESULTS)
    measures = [
        Measure(metric, variant, values[metric], low, high, values["rows_counted"][metric])
        for variant, values in results["variants"].items()
        for metric, (low, high) in values["intervals"].items()
        if values[metric] is not None
    ]
    if not measures:
        raise FcAssetsError(f"{RESULTS} of eval_report holds no metric: materialise eval_report again")
    return Tables(measures, results.get("extra_tables", {}))


def base_of(base_model: Artifact) -> Base:
    """What base_model recorded of itself."""
    report = base_model.read_json(BASE_REPORT)
    return Base(name=report["name"], revision=report["revision"], source=report["source"])


def data_licences(xlam_raw: Artifact) -> list[Licence]:
    """One entry for each source and licence among the normalised examples."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(xlam_raw.path / EXAMPLES, columns=["source", "licence"])
    rows = Counter(zip(table["source"].to_pylist(), table["licence"].to_pylist(), strict=True))
    return [Licence(source, licence, count) for (source, licence), count in sorted(rows.items())]


def base_licence(base_model: Artifact) -> Licence:
    """The base checkpoint's licence: this project's for the embedded one, else what its LICENSE file is."""
    base = base_of(base_model)
    name = base.name
    if base.source == EMBEDDED:
        return Licence(name, OWN_LICENCE, 0)
    for file in sorted((base_model.path / "model").glob("LICENSE*")):
        if "Apache License" in file.read_text(encoding="utf-8", errors="replace")[:2000]:
            return Licence(name, APACHE, 0)
        return Licence(name, f"see model/{file.name}", 0)
    return Licence(name, "unknown: the checkpoint came without a licence file", 0)


def answered_rightly(predictions: Artifact, turns: Sequence[Turn]) -> Iterator[Turn]:
    """Those turns that expect calls and were answered with exactly those, in the split's order."""
    from fc_assets.evaluation.prediction_files import read_predictions

    (answers,) = read_predictions(predictions.path / PREDICTIONS).values()
    texts = {answer.id: answer.text for answer in answers}
    for turn in turns:
        if turn.calls and judge(texts.get(turn.id, ""), turn.tools, turn.calls).exact:
            yield turn


def recommended_settings(serving_recommendation: Artifact) -> dict[str, int]:
    """The fields of `ServerSettings` that the benchmark recommends."""
    return dict(serving_recommendation.read_json(RECOMMENDATION_FILE)["settings"])
