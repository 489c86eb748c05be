"""Checks on the DPO arm: was the preference learnt, and do its numbers mean something? Nothing is made from the arm, so
they warn and stop nothing.
"""

import math

import dagster as dg

from fc_assets.foundation.artifacts import Artifact
from fc_assets.names import REPORT
from fc_assets.profiles import Profile
from fc_assets.training.dpo.assets import dpo_policy
from fc_assets.training.dpo.jobs import DpoResult
from fc_assets.training.training_log import PREFERENCE_ACCURACY, PREFERENCE_MARGIN, quarter_means, series

_CHANCE = 0.5


@dg.asset_check(
    asset=dpo_policy,
    description="The better answer is preferred in more pairs in the last quarter than in the first, and in most.",
)
def preference_rose(dpo_policy: Artifact) -> dg.AssetCheckResult:
    first, last = quarter_means(_series(dpo_policy, PREFERENCE_ACCURACY))
    return dg.AssetCheckResult(
        passed=last > max(first, _CHANCE),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"accuracy_first_quarter": first, "accuracy_last_quarter": last},
        description=f"The better answer is preferred in {first:.0%} of the pairs at first, in {last:.0%} at last.",
    )


@dg.asset_check(
    asset=dpo_policy,
    description="Loss and margin are finite throughout, and at last the margin is above zero.",
)
def margin_is_finite(dpo_policy: Artifact) -> dg.AssetCheckResult:
    margins = _series(dpo_policy, PREFERENCE_MARGIN)
    _, last = quarter_means(margins)
    finite = all(map(math.isfinite, [*margins, *_series(dpo_policy, "loss")]))
    return dg.AssetCheckResult(
        passed=finite and last > 0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"margin_last_quarter": last if math.isfinite(last) else None, "all_finite": finite},
        description=f"The margin is {last:.3g} in the last quarter"
        + ("." if finite else "; losses or margins are not finite: lower dpo.learning_rate."),
    )


def _series(policy: Artifact, name: str) -> list[float]:
    return series(DpoResult.model_validate(policy.read_json(REPORT)).training.log, name)


def checks(profile: Profile) -> list[dg.AssetChecksDefinition]:
    """The checks on the arm, where the profile has it."""
    return [preference_rose, margin_is_finite] if profile.dpo.enabled else []
