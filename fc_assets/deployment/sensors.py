"""What makes deployments happen by themselves: two sensors, and the job that deploys.

Here Dagster's instance is read and runs are requested; when that is done is decided in `redeploy`.
"""

import time

import dagster as dg

from fc_assets.deployment import deploy, redeploy
from fc_assets.deployment.assets import stack_of
from fc_assets.deployment.redeploy import Attempt, Promotion, RequestRun, RetryPolicy, SensorMemory, StackStatus
from fc_assets.foundation.resources import Runtime
from fc_assets.names import PROMOTED_POLICY, VLLM_DEPLOYMENT
from fc_assets.profiles import DeploymentSettings, Profile
from fc_assets.release.assets import latest_node

BATCH_TAG = "fc_assets/batch"
RELEASE_TAG = "fc_assets/release"
ATTEMPT_TAG = "fc_assets/attempt"
TICK_SECONDS = 30
_FINISHED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)

deploy_job = dg.define_asset_job(
    "deploy",
    selection=dg.AssetSelection.assets(VLLM_DEPLOYMENT),
    description=(
        f"Deploy the latest release, or with `ops: {{{VLLM_DEPLOYMENT}: {{config: {{release: DIGEST}}}}}}` an earlier "
        "one: that is also the way back."
    ),
)


def build_redeploy_sensor(settings: DeploymentSettings) -> dg.SensorDefinition:
    """The sensor `redeploy`: one deployment for each new release, tried again when it fails, healed when it stops."""

    @dg.sensor(
        name="redeploy",
        job=deploy_job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=_initial_status(settings.sensor_on),
        description=(
            "Deploys each newly promoted policy once. A failed attempt is followed by another with a growing wait; "
            "after the last one it rests until the next promotion. Brings a stack back that no longer answers, unless "
            "it was stopped on purpose."
        ),
    )
    def redeploy_sensor(context: dg.SensorEvaluationContext, runtime: dg.ResourceParam[Runtime]) -> dg.SensorResult:
        instance = context.instance
        promotion, stack = _latest_promotion(instance), _stack_status(runtime)
        memory = redeploy.settle(SensorMemory.load(context.cursor), promotion, _deployed_release(instance))
        healing = _attempts(instance, redeploy.healing_batch(memory, stack.serving))
        memory = redeploy.after_healing(memory, stack, healing)
        pending = promotion if promotion and promotion.release != memory.done else None
        step = redeploy.next_step(
            memory,
            promotion,
            stack,
            _attempts(instance, pending.batch) if pending else healing,
            _deployment_under_way(instance),
            RetryPolicy(settings.max_attempts, settings.retry_after_s),
            time.time(),
        )
        if isinstance(step, RequestRun):
            return dg.SensorResult(run_requests=[_run_request(step)], cursor=memory.dump())
        return dg.SensorResult(skip_reason=step.reason, cursor=memory.dump())

    return redeploy_sensor


def sensors(profile: Profile) -> list[dg.SensorDefinition]:
    """The room's sensors for a profile."""
    watch = dg.AutomationConditionSensorDefinition(
        "watch_deployment",
        target=dg.AssetSelection.checks_for_assets(VLLM_DEPLOYMENT),
        default_status=_initial_status(profile.deployment.sensor_on),
        description="Checks every ten minutes that the deployed release answers; without a deployment it rests.",
    )
    return [build_redeploy_sensor(profile.deployment), watch]


def _initial_status(on: bool) -> dg.DefaultSensorStatus:
    return dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED


def _run_request(step: RequestRun) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=step.run_key,
        run_config={"ops": {VLLM_DEPLOYMENT: {"config": {"release": step.release}}}},
        tags={BATCH_TAG: step.batch, RELEASE_TAG: step.release, ATTEMPT_TAG: str(step.number)},
    )


def _latest_promotion(instance: dg.DagsterInstance) -> Promotion | None:
    node = latest_node(instance, PROMOTED_POLICY)
    return Promotion(node.digest, node.storage_id) if node else None


def _deployed_release(instance: dg.DagsterInstance) -> str:
    event = instance.get_latest_materialization_event(dg.AssetKey(VLLM_DEPLOYMENT))
    materialization = event.asset_materialization if event else None
    return str(materialization.metadata["release"].value) if materialization else ""


def _stack_status(runtime: Runtime) -> StackStatus:
    stack = stack_of(runtime)
    state = stack.state()
    if state.serving is None or not state.wanted:
        return StackStatus(serving="", wanted=False, answers=False)
    return StackStatus(state.serving.release, wanted=True, answers=deploy.answers(stack))


def _attempts(instance: dg.DagsterInstance, batch: str) -> list[Attempt]:
    records = instance.get_run_records(dg.RunsFilter(tags={BATCH_TAG: batch}))
    return [
        Attempt(record.dagster_run.run_id, record.end_time if record.dagster_run.is_finished else None)
        for record in records
    ]


def _deployment_under_way(instance: dg.DagsterInstance) -> bool:
    unfinished = [status for status in dg.DagsterRunStatus if status not in _FINISHED]
    return bool(instance.get_run_records(dg.RunsFilter(job_name=deploy_job.name, statuses=unfinished), limit=1))
