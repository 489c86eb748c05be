"""What makes promotions happen by themselves. Whether a policy may be promoted is decided by the asset."""

import dagster as dg

from fc_assets.names import PROMOTED_POLICY

promote = dg.AutomationConditionSensorDefinition(
    "promote",
    target=dg.AssetSelection.assets(PROMOTED_POLICY),
    # Promoting is cheap and decides for itself, so it may run by itself; deploying is off unless asked for.
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Promotes the policy once a new report is there and every gate on its lineage has passed.",
)

SENSORS = [promote]
