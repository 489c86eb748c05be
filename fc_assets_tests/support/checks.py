"""Checks judged on an artefact that a test writes as it likes: whole, or with its subject broken."""

from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg

from fc_assets.foundation.resources import build_resources
from fc_assets.profiles import Profile, load_profile
from fc_assets_tests.support.evaluation_world import source


def judge(
    checks: Sequence[dg.AssetChecksDefinition],
    asset: str,
    write: Callable[[Path], None],
    home: Path,
    profile: Profile | None = None,
) -> dict[str, dg.AssetCheckEvaluation]:
    """What these checks say, by name, of an artefact of `asset` into which `write` put files."""
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [source(asset, write), *checks],
            resources=build_resources(profile or load_profile("demo"), home),
            instance=instance,
            raise_on_error=False,
        )
    return {each.check_name: each for each in result.get_asset_check_evaluations()}
