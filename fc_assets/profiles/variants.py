"""Which variants the graph of a profile has. What each is called and which asset holds it is `names`."""

from __future__ import annotations

from collections.abc import Mapping

from fc_assets.names import ARM_MODELS, VARIANT_MODELS
from fc_assets.profiles.loading import Profile


def variant_models(profile: Profile) -> Mapping[str, str]:
    """Each variant that is compared, and the asset that holds its checkpoint, in the order of comparison."""
    return {**VARIANT_MODELS, **(ARM_MODELS if profile.dpo.enabled else {})}


def blocks_release(variant: str) -> bool:
    """Whether a gate on this variant stops a release. Nothing is made from an arm, so its gates only warn."""
    return variant in VARIANT_MODELS
