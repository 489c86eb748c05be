"""Which target a profile deploys to (`deployment.target`), and why it cannot be used here where it cannot."""

from __future__ import annotations

from fc_assets.deployment.targets import cluster, stack
from fc_assets.deployment.targets.cluster import Cluster
from fc_assets.deployment.targets.stack import Stack
from fc_assets.deployment.targets.target import Target
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.profiles import Profile


def target_of(store: ArtifactStore, profile: Profile) -> Target:
    """The target of this home. Nothing is asked of it yet."""
    if profile.deployment.target == "kubernetes":
        return Cluster(store, profile.deployment, profile.kubernetes)
    return Stack(store, profile.deployment)


def why_unavailable(profile: Profile, *, to_start: bool) -> str:
    """Why the target cannot be managed from this machine, as the end of a sentence; empty when it can.

    With `to_start` also whether an engine could be started: on this machine its image may have to be built first.
    """
    if profile.deployment.target == "kubernetes":
        return cluster.why_unavailable(profile.kubernetes)
    return stack.why_unavailable(profile.deployment.image if to_start else "")
