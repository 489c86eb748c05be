"""The champion: the policy that is promoted now, which a new one must not lose to.

Who it is, whether what it answered when it was evaluated itself can stand beside the new answers, and how the two
compare. Asking it again and reading Dagster's instance are `assets`' work; what a loss means is decided in `gates`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fc_assets.calls.conversations import Turn
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.inference.answers import Answer
from fc_assets.evaluation.inference.predictions import (
    PREDICTIONS_FILE,
    SERVER_FILE,
    VALIDATION,
    asked_turns,
    read_answers,
    write_predictions,
)
from fc_assets.foundation.artifacts import Artifact, ArtifactStore

if TYPE_CHECKING:
    import pandas as pd

CHALLENGER, CHAMPION = "grpo", "champion"
"""The variant that may be promoted, and what its opponent is called in tables."""

PROMOTED, POLICY = "promoted_policy", "grpo_policy"
ANSWERS_FILE = "champion.parquet"
RECORD_FILE = "champion.json"
TITLE = "Against the promoted policy"


@dataclass(frozen=True, slots=True)
class Champion:
    """The promoted policy: digests of its release, of the policy and of the answers it was evaluated on."""

    release: str
    policy: str
    predictions: str


@dataclass(frozen=True, slots=True)
class Opponent:
    """The champion and its answers to today's turns; `unasked` says why there are none."""

    champion: Champion
    answers: Sequence[Answer] = ()
    unasked: str = ""


def champion_of(release: str, inputs: Mapping[str, str]) -> Champion:
    """The champion in the release of that digest, made from `inputs` (digests by asset)."""
    return Champion(release, inputs[POLICY], inputs[f"predictions/{CHALLENGER}"])


def recorded_answers(
    champion: Champion, store: ArtifactStore, validation: Artifact, turns: Sequence[Turn], asked: Mapping[str, Any]
) -> list[Answer] | None:
    """What the champion answered when it was evaluated, if it was asked the same turns in the same way.

    `asked` is today's `answering_record`. None also when those answers are no longer kept.
    """
    try:
        earlier = store.open(f"predictions/{CHALLENGER}", champion.predictions)
    except FcAssetsError:
        return None
    record = earlier.read_json(SERVER_FILE)
    if earlier.inputs.get(VALIDATION) != validation.digest or any(record.get(name) != asked[name] for name in asked):
        return None
    answers = read_answers(earlier.path / PREDICTIONS_FILE)
    return answers if {answer.id for answer in answers} == {turn.id for turn in turns} else None


def write_opponent(out: Path, opponent: Opponent) -> None:
    """Who the champion is and what it answered, beside the challenger's predictions."""
    if opponent.answers:
        write_predictions(opponent.answers, out / ANSWERS_FILE)
    champion = opponent.champion
    record = {"release": champion.release, "policy": champion.policy, "unasked": opponent.unasked}
    (out / RECORD_FILE).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def duel(
    validation: Artifact,
    predictions: Artifact,
    challenger: pd.DataFrame,
    weights: Mapping[str, float],
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """How the challenger does against the champion that stands beside `predictions`.

    {"policy": digest of the challenger, "champion": None where there was none, else {"release", "policy", "unasked",
    "tests": [`Comparison` as a mapping, the challenger being `second`]}}. `tests` is empty where it was not asked.
    """
    from fc_assets.evaluation.prediction_files import read_predictions, scoring_rows
    from fc_assets.evaluation.report.comparison import estimate
    from fc_assets.evaluation.scoring import score_rows

    found: dict[str, Any] = {"policy": predictions.inputs[POLICY], CHAMPION: None}
    if not (predictions.path / RECORD_FILE).is_file():
        return found
    found[CHAMPION] = {**predictions.read_json(RECORD_FILE), "tests": []}
    if (predictions.path / ANSWERS_FILE).is_file():
        (answers,) = read_predictions(predictions.path / ANSWERS_FILE).values()
        asked = {answer.id for answer in answers}
        turns = [turn for turn in asked_turns(validation, 0) if turn.id in asked]
        champion = score_rows(scoring_rows(turns, answers), weights, max_failed_share=1.0)
        tests = estimate({CHAMPION: champion, CHALLENGER: challenger}, samples, seed).comparisons
        found[CHAMPION]["tests"] = [asdict(test) for test in tests]
    return found


def duel_table(found: Mapping[str, Any]) -> list[dict[str, object]]:
    """The duel as records, one for each test; none without a champion."""
    names = ("metric", "difference", "low", "high", "p_value", "test", "pairs", "detectable")
    champion = found[CHAMPION] or {"release": "", "tests": []}
    return [
        {"champion": champion["release"][:16], **{name: test[name] for name in names}} for test in champion["tests"]
    ]
