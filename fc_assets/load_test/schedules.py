"""When the benchmark is refreshed: a quick one every night, the full one every week. Off unless the profile says so."""

from collections.abc import Mapping

import dagster as dg

from fc_assets.load_test.assets import benchmark_matrix, serving_recommendation
from fc_assets.names import PROMOTED_POLICY
from fc_assets.profiles import Profile

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def schedules(profile: Profile) -> list[dg.ScheduleDefinition]:
    """Both schedules, at the times that the profile gives."""
    settings = profile.benchmark
    return [
        _schedule(
            "quick",
            settings.quick_cron,
            profile,
            "Every night: measure the few cells of the quick matrix again and renew the recommendation.",
        ),
        _schedule(
            "full",
            settings.full_cron,
            profile,
            "Every week: measure the whole matrix again, with the sweep over server settings.",
        ),
    ]


def _schedule(mode: str, cron: str, profile: Profile, description: str) -> dg.ScheduleDefinition:
    job = dg.define_asset_job(
        f"benchmark_{mode}",
        selection=[benchmark_matrix, serving_recommendation],
        description=description,
        config=_config(mode),
    )

    @dg.schedule(
        name=f"benchmark_{mode}",
        job=job,
        cron_schedule=cron,
        execution_timezone=profile.benchmark.timezone,
        description=f"{description} Skipped while another benchmark is going, and before the first release.",
        default_status=(
            dg.DefaultScheduleStatus.RUNNING if profile.benchmark.schedules_on else dg.DefaultScheduleStatus.STOPPED
        ),
    )
    def refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if context.instance.get_latest_materialization_event(dg.AssetKey(PROMOTED_POLICY)) is None:
            return dg.SkipReason(f"{PROMOTED_POLICY} has not been materialised yet: there is nothing to measure.")
        if going := _benchmark_under_way(context.instance):
            return dg.SkipReason(f"Run {going} is measuring already; two at once would measure each other.")
        return dg.RunRequest()

    return refresh


def _config(mode: str) -> Mapping[str, object]:
    return {"resources": {"profile": {"config": {"benchmark": {"mode": mode}}}}}


def _benchmark_under_way(instance: dg.DagsterInstance) -> str | None:
    """The id of a run that is to make `benchmark_matrix` and has not ended."""
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        selected = run.asset_selection or ()
        if benchmark_matrix.key in selected or run.job_name.startswith("benchmark_"):
            return run.run_id
    return None
