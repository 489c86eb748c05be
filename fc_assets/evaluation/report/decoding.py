"""Free against constrained decoding: how the same model answers the same rows when its calls are forced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fc_assets.evaluation.inference.predictions import answered_turns
from fc_assets.evaluation.prediction_files import read_predictions, scoring_rows
from fc_assets.evaluation.report.comparison import DECISION_METRIC, estimate
from fc_assets.evaluation.report.model import ALL_ROWS
from fc_assets.evaluation.scoring import score_rows
from fc_assets.foundation.artifacts import Artifact
from fc_assets.names import CONSTRAINED_PREDICTIONS

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Free and constrained decoding"
METRICS_SHOWN = ("parse_rate", "schema_hit", "function_name_accuracy", DECISION_METRIC)
BOOTSTRAP_SAMPLES = 2000
"""Enough for two digits of an interval."""

_FREE, _CONSTRAINED = "free", "constrained"


def compare_decoding(
    validation: Artifact,
    predictions: Mapping[str, Artifact],
    free: Mapping[str, pd.DataFrame],
    weights: Mapping[str, float],
    seed: int,
) -> list[dict[str, object]]:
    """Free against constrained decoding, one record for each variant that was asked both ways.

    Both are judged on the same rows, which all expect a call: forced calls cannot decline. `failed` rows, which the
    server could not answer under their grammar, are left out.
    """
    records = []
    for variant, artifact in predictions.items():
        file = artifact.path / CONSTRAINED_PREDICTIONS
        if not file.is_file():
            continue
        (answers,) = read_predictions(file).values()
        asked = {answer.id for answer in answers}
        forced = score_rows(scoring_rows(answered_turns(validation, asked), answers), weights, max_failed_share=1.0)
        own = free[variant][free[variant]["id"].isin(asked)].reset_index(drop=True)
        found = estimate({_FREE: own, _CONSTRAINED: forced}, BOOTSTRAP_SAMPLES, seed)
        record: dict[str, object] = {"variant": variant, "rows": len(forced)}
        for metric in METRICS_SHOWN:
            for decode in (_FREE, _CONSTRAINED):
                record[f"{metric}, {decode}"] = found.strata[ALL_ROWS][decode][metric].value
        test = next(each for each in found.comparisons if each.metric == DECISION_METRIC)
        record |= {"difference": test.difference, "low": test.low, "high": test.high, "p_value": test.p_value}
        records.append({**record, "failed": int(forced["infrastructure_failure"].sum())})
    return records
