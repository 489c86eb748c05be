"""The code location: every room's assets, checks, jobs, schedules and sensors, and the resources they are given.

Importing this module starts nothing and loads no model library: `dagster dev` and the daemon stay small. What an asset
does belongs to its room.
"""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from fc_assets.asset_jobs import ASSET_JOBS
from fc_assets.data import assets as data_assets
from fc_assets.data import checks as data_checks
from fc_assets.deployment import assets as deployment_assets
from fc_assets.deployment import checks as deployment_checks
from fc_assets.deployment import sensors as deployment_sensors
from fc_assets.deployment.kubernetes.values import STEPS_IN_PODS
from fc_assets.edge import assets as edge_assets
from fc_assets.edge import checks as edge_checks
from fc_assets.evaluation import assets as evaluation_assets
from fc_assets.evaluation import checks as evaluation_checks
from fc_assets.foundation import sensors as instance_sensors
from fc_assets.foundation.resources import build_resources, with_settings
from fc_assets.load_test import assets as load_test_assets
from fc_assets.load_test import checks as load_test_checks
from fc_assets.load_test import schedules as load_test_schedules
from fc_assets.notifications import sensors as notification_sensors
from fc_assets.profiles import Profile, load_profile
from fc_assets.release import assets as release_assets
from fc_assets.release import checks as release_checks
from fc_assets.release import sensors as release_sensors
from fc_assets.training import assets as training_assets
from fc_assets.training import checks as training_checks
from fc_assets.training.dpo import assets as dpo_assets
from fc_assets.training.dpo import checks as dpo_checks


def build_defs(profile: Profile | None = None, home: Path | None = None) -> dg.Definitions:
    """Fresh definitions for a profile (default: the one `$FC_PROFILE` names) and an artefact home."""
    profile = profile or load_profile()
    gates = [*data_checks.CHECKS, *training_checks.CHECKS, *evaluation_checks.checks(profile)]
    blocking = [spec for definition in gates for spec in definition.check_specs if spec.blocking]
    return dg.Definitions(
        assets=with_settings(
            [
                *data_assets.ASSETS,
                *training_assets.ASSETS,
                *dpo_assets.assets(profile),
                *evaluation_assets.assets(profile),
                release_assets.build_promoted_policy(blocking, profile),
                *deployment_assets.ASSETS,
                *load_test_assets.assets(profile),
                *edge_assets.ASSETS,
            ],
            profile,
        ),
        asset_checks=[
            *gates,
            *dpo_checks.checks(profile),
            *release_checks.CHECKS,
            *deployment_checks.CHECKS,
            *load_test_checks.CHECKS,
            *edge_checks.CHECKS,
        ],
        jobs=ASSET_JOBS,
        schedules=load_test_schedules.schedules(profile),
        sensors=[
            *instance_sensors.SENSORS,
            *release_sensors.SENSORS,
            *deployment_sensors.sensors(profile),
            *notification_sensors.sensors(),
        ],
        resources=build_resources(profile, home),
        executor=_executor(),
    )


def _executor() -> dg.ExecutorDefinition | None:
    """What runs the steps: on a cluster a pod for each, so that only those on a card ask for one; else processes."""
    if not os.environ.get(STEPS_IN_PODS):
        return None
    from dagster_k8s import k8s_job_executor  # comes with the extra `kubernetes`

    executor: dg.ExecutorDefinition = k8s_job_executor
    return executor


defs = build_defs()
