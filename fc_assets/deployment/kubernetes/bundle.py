"""A release as files for a cluster: the chart, its values, the values of two charts of others, plain manifests.

Applying them is the user's or the deployment's; the values themselves are made in `values`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from fc_assets.deployment.engine import EngineSpec
from fc_assets.deployment.kubernetes.helm import CHART, render, to_yaml, why_no_helm
from fc_assets.deployment.kubernetes.values import (
    Values,
    dagster_values,
    platform_values,
    production_stack_values,
    serving_values,
)
from fc_assets.names import (
    CHART_FOLDER,
    DAGSTER_VALUES,
    PLATFORM_MANIFESTS,
    PLATFORM_VALUES,
    PRODUCTION_STACK_VALUES,
    SERVING_MANIFESTS,
    SERVING_VALUES,
)
from fc_assets.profiles import Profile

PURPOSES: Mapping[str, str] = {
    CHART_FOLDER: "the chart",
    SERVING_VALUES: "values of its serving half: engine, service, route, autoscaler",
    PLATFORM_VALUES: "values of its platform half: what Dagster's runs and steps need",
    DAGSTER_VALUES: "values for Dagster's own chart",
    PRODUCTION_STACK_VALUES: "values for the chart of vLLM's production-stack",
    SERVING_MANIFESTS: "the serving half as plain manifests",
    PLATFORM_MANIFESTS: "the platform half as plain manifests",
}
"""What each part of a bundle is, by its name. Not every bundle has all of them."""


def write_bundle(out: Path, engine: EngineSpec, profile: Profile) -> str:
    """Write the bundle of one engine into `out`; return why it has no plain manifests, empty where it has them."""
    shutil.copytree(CHART, out / CHART_FOLDER)
    for name, values in _values(engine, profile).items():
        (out / name).write_text(to_yaml(values), encoding="utf-8")
    if missing := why_no_helm():
        return missing
    for name, text in manifests(engine, profile).items():
        (out / name).write_text(text, encoding="utf-8")
    return ""


def manifests(engine: EngineSpec, profile: Profile) -> dict[str, str]:
    """Both halves as plain manifests, by the name of the file. Raises `FcAssetsError` where Helm is missing."""
    halves = {SERVING_MANIFESTS: _serving(engine, profile), PLATFORM_MANIFESTS: platform_values()}
    name, namespace = profile.deployment.project, profile.kubernetes.namespace
    return {file: render(name, namespace, values) for file, values in halves.items()}


def _values(engine: EngineSpec, profile: Profile) -> Mapping[str, Values]:
    found = {
        SERVING_VALUES: _serving(engine, profile),
        PLATFORM_VALUES: platform_values(),
        DAGSTER_VALUES: dagster_values(profile.name),
    }
    if engine.server.device == "cuda":
        found[PRODUCTION_STACK_VALUES] = production_stack_values(engine, profile.deployment, profile.kubernetes)
    return found


def _serving(engine: EngineSpec, profile: Profile) -> Values:
    return serving_values([engine], engine.colour, profile.deployment, profile.kubernetes)
