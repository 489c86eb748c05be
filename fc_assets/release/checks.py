"""Checks on releases. None blocks: the gates are upstream, and a promotion by hand is a decision."""

import dagster as dg

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.resources import StepError
from fc_assets.names import PROMOTED_POLICY
from fc_assets.release.record import read_record


@dg.asset_check(
    asset=PROMOTED_POLICY,
    description="Every gate in the release's record is met; a promotion by hand in spite of unmet gates shows up here.",
)
def promoted_without_override(promoted_policy: Artifact) -> dg.AssetCheckResult:
    try:
        override = read_record(promoted_policy).override
    except FcAssetsError as error:
        raise StepError(str(error), error) from None
    return dg.AssetCheckResult(
        passed=override is None,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"unmet": dg.MetadataValue.json(override.unmet if override else [])},
        description=f"Promoted by hand: {override.reason}" if override else "Every gate was met.",
    )


CHECKS = [promoted_without_override]
