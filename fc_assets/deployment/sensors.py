"""What makes deployments happen by themselves: two sensors, and the job that deploys.

Here Dagster's instance is read and runs are requested; when to do so is decided in `redeploy`.
"""

import time

import dagster as dg

from fc_assets.deployment import deploy, redeploy
from fc_assets.deployment.assets import DEPLOYMENT, stack_of
from fc_assets.deployment.redeploy import Attempt, Launch, Memory, Policy, Promotion
from fc_assets.foundation.resources import Runtime
from fc_assets.profiles import DeploymentSettings, Profile
from fc_assets.release.assets import PROMOTED

BATCH_TAG = "fc_assets/batch"
RELEASE_TAG = "fc_assets/release"
ATTEMPT_TAG = "fc_assets/attempt"
TICK_SECONDS = 30

deploy_job = dg.define_asset_job(
    "deploy",
    selection=dg.AssetSelection.assets(DEPLOYMENT),
    description=(
        "Deploy the latest release, or with `ops: {vllm_deployment: {config: {release: DIGEST}}}` an earlier one: "
        "that is also the way back."
    ),
)


def build_redeploy_sensor(settings: DeploymentSettings) -> dg.SensorDefinition:
    """The sensor `redeploy`: one deployment for each new release, tried again when it fails, healed when it stops."""

    @dg.sensor(
        name="redeploy",
        job=deploy_job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=_status(settings.sensor_on),
        description=(
            "Deploys each newly promoted policy once. A failed attempt is followed by another with a growing wait; "
            "after the last one it rests until the next promotion. Brings a stack back that no longer answers, unless "
            "it was stopped on purpose."
        ),
    )
    def redeploy_sensor(context: dg.SensorEvaluationContext, runtime: dg.ResourceParam[Runtime]) -> dg.SensorResult:
        instance = context.instance
        promotion = _latest_promotion(instance)
        memory = redeploy.settle(Memory.load(context.cursor), promotion, _deployed_release(instance))
        state = _stack_state(runtime)
        healing = _attempts(instance, redeploy.healing_batch(memory, state.serving))
        memory = redeploy.after_healing(memory, state, healing)
        pending = promotion is not None and promotion.release != memory.done
        step = redeploy.next_step(
            memory,
            promotion,
            state,
            _attempts(instance, promotion.batch) if pending else healing,
            _under_way(instance),
            Policy(settings.max_attempts, settings.retry_after_s),
            time.time(),
        )
        if isinstance(step, Launch):
            return dg.SensorResult(run_requests=[_request(step)], cursor=memory.dump())
        return dg.SensorResult(skip_reason=step.reason, cursor=memory.dump())

    return redeploy_sensor


def sensors(profile: Profile) -> list[dg.SensorDefinition]:
    """The room's sensors for a profile."""
    watch = dg.AutomationConditionSensorDefinition(
        "watch_deployment",
        target=dg.AssetSelection.checks_for_assets(DEPLOYMENT),
        default_status=_status(profile.deployment.sensor_on),
        description="Looks every ten minutes whether the deployed release answers; without a deployment it rests.",
    )
    return [build_redeploy_sensor(profile.deployment), watch]


def _status(on: bool) -> dg.DefaultSensorStatus:
    return dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED


def _request(step: Launch) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=step.run_key,
        run_config={"ops": {DEPLOYMENT: {"config": {"release": step.release}}}},
        tags={BATCH_TAG: step.batch, RELEASE_TAG: step.release, ATTEMPT_TAG: str(step.number)},
    )


def _latest_promotion(instance: dg.DagsterInstance) -> Promotion | None:
    records = instance.fetch_materializations(dg.AssetKey(PROMOTED), limit=1).records
    if not records or (materialization := records[0].asset_materialization) is None:
        return None
    return Promotion(str(materialization.metadata["sha256"].value), records[0].storage_id)


def _deployed_release(instance: dg.DagsterInstance) -> str:
    event = instance.get_latest_materialization_event(dg.AssetKey(DEPLOYMENT))
    materialization = event.asset_materialization if event else None
    return str(materialization.metadata["release"].value) if materialization else ""


def _stack_state(runtime: Runtime) -> redeploy.Stack:
    stack = stack_of(runtime)
    state = stack.state()
    if state.serving is None or not state.wanted:
        return redeploy.Stack(serving="", wanted=False, answers=False)
    return redeploy.Stack(state.serving.release, wanted=True, answers=deploy.answers(stack))


def _attempts(instance: dg.DagsterInstance, batch: str) -> list[Attempt]:
    records = instance.get_run_records(dg.RunsFilter(tags={BATCH_TAG: batch}))
    return [
        Attempt(record.dagster_run.run_id, record.end_time if record.dagster_run.is_finished else None)
        for record in records
    ]


def _under_way(instance: dg.DagsterInstance) -> bool:
    unfinished = [status for status in dg.DagsterRunStatus if status not in _FINISHED]
    return bool(instance.get_run_records(dg.RunsFilter(job_name=deploy_job.name, statuses=unfinished), limit=1))


_FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
