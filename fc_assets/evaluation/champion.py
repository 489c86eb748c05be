"""How a new policy compares with the champion, the policy that is promoted now.

What the champion answers is `inference.champion_answers`; what a loss means is decided in `gates`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from fc_assets.evaluation.inference.champion_answers import POLICY
from fc_assets.evaluation.inference.predictions import answered_turns
from fc_assets.evaluation.prediction_files import read_predictions, scoring_rows
from fc_assets.evaluation.report.model import PairedTest
from fc_assets.evaluation.scoring import score_rows
from fc_assets.foundation.artifacts import Artifact
from fc_assets.names import CHAMPION, CHAMPION_ANSWERS, CHAMPION_RECORD, SHIPPED_VARIANT

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Against the promoted policy"


@dataclass(frozen=True, slots=True)
class ChampionRecord:
    """The champion that a policy was compared with: digests of its release and policy.

    `tests` compare the two, the new policy being `second`; empty where the champion was not asked, for the reason in
    `unasked`.
    """

    release: str
    policy: str
    unasked: str
    tests: Sequence[PairedTest] = ()


class ChampionComparison(BaseModel):
    """The content of the report's champion.json: the digest of the policy judged, and its champion if there was one."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    policy: str
    champion: ChampionRecord | None


def compare_with_champion(
    validation: Artifact,
    predictions: Artifact,
    policy: pd.DataFrame,
    weights: Mapping[str, float],
    samples: int,
    seed: int,
) -> ChampionComparison:
    """How the policy does against the champion whose record lies beside its `predictions`.

    `policy` is the judged table of those predictions, `weights` those of the reward signals.
    """
    from fc_assets.evaluation.report.comparison import estimate  # brings numpy, which the definitions can do without

    own = predictions.inputs[POLICY]
    if not (predictions.path / CHAMPION_RECORD).is_file():
        return ChampionComparison(policy=own, champion=None)
    tests: Sequence[PairedTest] = ()
    if (predictions.path / CHAMPION_ANSWERS).is_file():
        (answers,) = read_predictions(predictions.path / CHAMPION_ANSWERS).values()
        turns = answered_turns(validation, {answer.id for answer in answers})
        champion = score_rows(scoring_rows(turns, answers), weights, max_failed_share=1.0)
        tests = estimate({CHAMPION: champion, SHIPPED_VARIANT: policy}, samples, seed).comparisons
    record = predictions.read_json(CHAMPION_RECORD)
    return ChampionComparison(policy=own, champion=ChampionRecord(**record, tests=tests))


def comparison_table(found: ChampionComparison) -> list[dict[str, object]]:
    """The comparison as records, one for each test; none without a champion."""
    if found.champion is None:
        return []
    names = ("metric", "difference", "low", "high", "p_value", "test", "pairs", "detectable")
    return [
        {CHAMPION: found.champion.release[:16], **{name: getattr(test, name) for name in names}}
        for test in found.champion.tests
    ]
