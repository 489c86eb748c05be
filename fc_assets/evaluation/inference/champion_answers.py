"""What the champion, the policy that is promoted now, answers to the same turns as a new policy.

Who the champion is, whether its recorded answers can stand beside the new ones, and the files that keep both. Asking it
again is `evaluate_variant`; comparing the two policies is `champion`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import Turn
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import Answer
from fc_assets.evaluation.inference.predictions import read_answers, write_predictions
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.json_files import write_json
from fc_assets.names import (
    CHAMPION_ANSWERS,
    CHAMPION_RECORD,
    PREDICTIONS,
    SERVER,
    SHAREGPT_VAL,
    SHIPPED_VARIANT,
    VARIANT_MODELS,
    predictions,
)

POLICY = VARIANT_MODELS[SHIPPED_VARIANT]
"""The asset whose artefact a release ships."""


@dataclass(frozen=True)
class PromotedRelease:
    """The latest release: its digest, and the digests of what it was made from, by asset."""

    digest: str
    inputs: Mapping[str, str]

    @property
    def policy(self) -> str:
        """The digest of the policy that it ships: the champion."""
        return self.inputs[POLICY]


@dataclass(frozen=True, slots=True)
class ChampionAnswers:
    """The champion's answers to today's turns; `unasked` says why there are none.

    `release` and `policy` are digests of its release and of the policy itself.
    """

    release: str
    policy: str
    answers: Sequence[Answer] = ()
    unasked: str = ""

    def write(self, folder: Path) -> None:
        """Write who the champion is and what it answered, to lie beside the new policy's predictions."""
        if self.answers:
            write_predictions(self.answers, folder / CHAMPION_ANSWERS)
        record = {"release": self.release, "policy": self.policy, "unasked": self.unasked}
        write_json(folder / CHAMPION_RECORD, record)


def recorded_answers(
    release: PromotedRelease,
    store: ArtifactStore,
    validation: Artifact,
    turns: Sequence[Turn],
    asked: Mapping[str, Any],
) -> list[Answer] | None:
    """What the champion answered when it was evaluated, if it was asked the same turns in the same way.

    `asked` is today's `answering_record`. None also when those answers are no longer kept.
    """
    asset = predictions(SHIPPED_VARIANT)
    try:
        earlier = store.open(asset, release.inputs[asset])
    except FcAssetsError:
        return None
    record = earlier.read_json(SERVER)
    if earlier.inputs.get(SHAREGPT_VAL) != validation.digest or any(record.get(name) != asked[name] for name in asked):
        return None
    answers = read_answers(earlier.path / PREDICTIONS)
    return answers if {answer.id for answer in answers} == {turn.id for turn in turns} else None
