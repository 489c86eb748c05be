"""What keeps the instance itself in order while a daemon runs: `dagster dev`, or one of its own.

What a dead run is, is `dead_runs`; the sensors of releases, deployments and messages are in their rooms.
"""

from __future__ import annotations

import dagster as dg

from fc_assets.foundation.dead_runs import end_dead_runs

TICK_SECONDS = 30


@dg.sensor(
    name="end_dead_runs",
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Marks runs whose process is gone as failed and gives their place in pool gpu back, so that a killed run does "
        "not block the next one."
    ),
)
def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    ended = [f"{dead.job} {dead.run_id}" for dead in end_dead_runs(context.instance)]
    return dg.SkipReason(f"Ended, since their process is gone: {', '.join(ended)}" if ended else "No run is dead.")


SENSORS = [dead_runs]
