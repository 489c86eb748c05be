"""The sensors that read how a run ended and send messages about it: one for each way in which a run ends.

Dagster shows a sensor each run once. Here its events become a `RunOutcome`; `messages` decides what is sent about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg

from fc_assets.deployment.deploy import DeployError
from fc_assets.foundation.failures import ERROR_KIND, failure_sentence
from fc_assets.foundation.metadata import record_of
from fc_assets.names import PROMOTED_POLICY, VLLM_DEPLOYMENT
from fc_assets.notifications.messages import (
    FailedGate,
    FailedStep,
    ReleaseDeployed,
    ReleasePromoted,
    RunOutcome,
    Status,
    messages_of,
)
from fc_assets.notifications.sending import URLS_VARIABLE, addresses, send

TICK_SECONDS = 10
_STATUS: dict[dg.DagsterRunStatus, Status] = {
    dg.DagsterRunStatus.SUCCESS: "succeeded",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "cancelled",
}
_READ = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.STEP_FAILURE,
}
_STOPPED_BY_A_GATE = "DagsterAssetCheckFailedError"
_AUTOMATION_TAG = "dagster/from_automation_condition"
"""On runs that a condition started, such as the look at the deployment every ten minutes."""
_LOOKED_BACK = 100
"""Evaluations of one check: some may be younger than the run in question, when the daemon was down."""
_OWN_JOBS = "__"
"""How Dagster begins the name of a job that it put together itself."""


def sensors() -> list[dg.SensorDefinition]:
    """The room's sensors; they run where `$FC_NOTIFY_URLS` is set when this is called."""
    return [_sensor(status, f"notify_run_{_STATUS[status]}") for status in _STATUS]


def _sensor(status: dg.DagsterRunStatus, name: str) -> dg.SensorDefinition:
    on = bool(addresses())
    off = "" if on else f" Off, since {URLS_VARIABLE} was not set when the definitions were loaded."

    @dg.run_status_sensor(
        status,
        name=name,
        minimum_interval_seconds=TICK_SECONDS,
        # A run that somebody started from a shell belongs to no code location.
        monitor_all_code_locations=True,
        default_status=dg.DefaultSensorStatus.RUNNING if on else dg.DefaultSensorStatus.STOPPED,
        description=(
            f"Looks at each run that ended as {_STATUS[status]}, and sends messages about failed gates and steps, and "
            f"about releases promoted or deployed, to the addresses in {URLS_VARIABLE}.{off}"
        ),
    )
    def notify(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        # Always a reason, never nothing: Dagster then shows one run at each tick, and a tick's text says what was done.
        run = context.dagster_run
        outcome = read_outcome(context.instance, run, _STATUS[status], context.dagster_event.message or "")
        messages, urls = messages_of(outcome), addresses()
        if not messages:
            return dg.SkipReason(f"Run {run.run_id} needs no message.")
        if not urls:
            return dg.SkipReason(f"Nothing was sent about run {run.run_id}: {URLS_VARIABLE} is not set.")
        problems = send(messages, urls)
        said = ", ".join(repr(message.title) for message in messages)
        return dg.SkipReason(f"Run {run.run_id}: {said}. " + (". ".join(problems) or "Sent") + ".")

    return notify


def read_outcome(instance: dg.DagsterInstance, run: dg.DagsterRun, status: Status, said: str = "") -> RunOutcome:
    """How a finished run ended, by its events; `said` is what Dagster itself says of its end."""
    events = [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=_READ) if entry.dagster_event]
    made = [
        event.step_materialization_data.materialization
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION
    ]
    return RunOutcome(
        job="" if run.job_name.startswith(_OWN_JOBS) else run.job_name,
        run_id=run.run_id,
        status=status,
        failed_gates=list(_failed_gates(instance, run, events)),
        failed_steps=list(_failed_steps(events)),
        promoted=[_promoted(each) for each in made if each.asset_key.to_user_string() == PROMOTED_POLICY],
        deployed=[
            ReleaseDeployed(str(each.metadata["release"].value), str(each.metadata["url"].value))
            for each in made
            if each.asset_key.to_user_string() == VLLM_DEPLOYMENT and each.metadata["changed"].value
        ],
        said=said,
    )


def _failed_gates(
    instance: dg.DagsterInstance, run: dg.DagsterRun, events: Sequence[dg.DagsterEvent]
) -> Iterator[FailedGate]:
    # A step that was tried again has judged twice: the later judgement counts.
    latest = {
        event.asset_check_evaluation_data.asset_check_key: event.asset_check_evaluation_data
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    }
    for key, evaluation in latest.items():
        if evaluation.passed or evaluation.severity is not dg.AssetCheckSeverity.ERROR:
            continue
        yield FailedGate(
            key.asset_key.to_user_string(),
            key.name,
            evaluation.description or "it failed; its numbers are on its page",
            reported=_AUTOMATION_TAG in run.tags and _failed_before(instance, run, evaluation),
        )


def _failed_before(instance: dg.DagsterInstance, run: dg.DagsterRun, now: dg.AssetCheckEvaluation) -> bool:
    """Whether the evaluation before this run's failed too, on the same materialisation."""
    history = instance.event_log_storage.get_asset_check_execution_history(now.asset_check_key, limit=_LOOKED_BACK)
    of_this_run = [record.id for record in history if record.run_id == run.run_id]
    earlier = [record.evaluation for record in history if of_this_run and record.id < min(of_this_run)]
    before = next((evaluation for evaluation in earlier if evaluation is not None), None)
    return before is not None and not before.passed and _judged(before) == _judged(now)


def _judged(evaluation: dg.AssetCheckEvaluation) -> int | None:
    target = evaluation.target_materialization_data
    return target.storage_id if target else None


def _failed_steps(events: Sequence[dg.DagsterEvent]) -> Iterator[FailedStep]:
    for event in events:
        if event.event_type is not dg.DagsterEventType.STEP_FAILURE:
            continue
        kinds = list(_kinds(event))
        if _STOPPED_BY_A_GATE not in kinds:
            rolled_back = DeployError.__name__ in kinds
            yield FailedStep(event.step_key or "", failure_sentence(event), rolled_back)


def _kinds(event: dg.DagsterEvent) -> Iterator[str]:
    """The class names of the error of a failed step and of what caused it."""
    failure = event.step_failure_data
    if failure.user_failure_data and ERROR_KIND in failure.user_failure_data.metadata:
        yield str(failure.user_failure_data.metadata[ERROR_KIND].value)
    error = failure.error
    while error:
        yield error.cls_name or ""
        error = error.cause


def _promoted(materialization: dg.AssetMaterialization) -> ReleasePromoted:
    overridden = materialization.metadata["gates_overridden"].value
    return ReleasePromoted(record_of(materialization).digest, int(str(overridden)))
