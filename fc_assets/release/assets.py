"""The asset of this room: a policy that passed its gates, as a release.

Here Dagster's instance is read into plain values; `promotion` decides, `package` writes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

from fc_assets import names
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.metadata import record_of, table
from fc_assets.foundation.resources import Runtime
from fc_assets.foundation.thresholds import defined_bar
from fc_assets.profiles import Profile
from fc_assets.release import promotion
from fc_assets.release.jobs import HubCopyJob
from fc_assets.release.package import Release, ReleaseInputs, write_release
from fc_assets.release.promotion import (
    LINEAGE,
    Decision,
    Gate,
    GateEvaluation,
    LineageNode,
)

GROUP = "release"
_READ_FROM = (
    names.GRPO_POLICY,
    names.EVAL_REPORT,
    names.SHAREGPT_VAL,
    names.XLAM_RAW,
    names.BASE_MODEL,
    names.predictions(names.SHIPPED_VARIANT),
)
"""Assets whose files go into a release; the rest of the lineage are dependencies without files."""

_PLANNED = "PLANNED"
"""Dagster's word for an evaluation that a run has announced and not made."""
_PAGE = 50

PROMOTE_WHEN_PROVEN = (
    # The report is the last to be made: a new upstream alone is no reason to promote. The whole lineage are
    # dependencies, so that every gate on it is waited for.
    dg.AutomationCondition.any_deps_updated().allow(dg.AssetSelection.assets(names.EVAL_REPORT)).since_last_handled()
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
    & ~dg.AutomationCondition.any_deps_missing()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label(f"a new {names.EVAL_REPORT}, and every gate on its lineage passed")


class PromotionConfig(dg.Config):
    """`override_reason` promotes in spite of unmet gates; it is recorded in the release and shown in its card."""

    override_reason: str = ""


def build_promoted_policy(blocking_checks: Sequence[dg.AssetCheckSpec], location: Profile) -> dg.AssetsDefinition:
    """The asset `promoted_policy`, whose gates are these checks, each by a bar no more lenient than the `location`'s.

    The bars are those of the code location: what the promoting run overrides does not count.
    """
    gates = [_gate(spec, location) for spec in blocking_checks]

    @dg.asset(
        name=names.PROMOTED_POLICY,
        group_name=GROUP,
        kinds={"huggingface"},
        owners=OWNERS,
        code_version=code_version("fc_assets.release.package"),
        automation_condition=PROMOTE_WHEN_PROVEN,
        ins={"predictions": dg.AssetIn(key=_key(names.predictions(names.SHIPPED_VARIANT)))},
        deps=[_key(name) for name in LINEAGE if name not in _READ_FROM],
        description=(
            "A release: the policy's checkpoint with its record, model card and sums. It comes into being only if "
            "every blocking gate on its whole lineage passed for exactly the materialisations that it was made from, "
            "by a bar no more lenient than this location's; otherwise the step fails and lists all that is unmet. "
            "Nothing else leads to a deployment."
        ),
    )
    def promoted_policy(
        context: dg.AssetExecutionContext,
        config: PromotionConfig,
        runtime: dg.ResourceParam[Runtime],
        grpo_policy: Artifact,
        eval_report: Artifact,
        sharegpt_val: Artifact,
        xlam_raw: Artifact,
        base_model: Artifact,
        predictions: Artifact,
    ) -> Iterator[dg.MaterializeResult[Artifact]]:
        inputs = ReleaseInputs(grpo_policy, eval_report, sharegpt_val, xlam_raw, base_model, predictions)
        with runtime.step(context) as step:
            decision = read_decision(context.instance, gates, inputs.artifacts)
            decision.require(config.override_reason)
            release = write_release(step.out, inputs, decision, config.override_reason, runtime.profile)
            result = step.publish(inputs.artifacts, _describe(release, decision))
            copied, problem = _copy_to_hub(context, runtime, result.value, step.scratch)
            yield result._replace(metadata={**(result.metadata or {}), **copied})
            if problem:
                # After the materialisation is recorded: what happens on a hub decides nothing about the release.
                raise FcAssetsError(
                    f"Release {result.value.digest[:16]} is promoted and stands, but its copy on the hub does not: "
                    f"{problem}. Materialise {names.PROMOTED_POLICY} again to push it"
                )

    return promoted_policy


def _gate(spec: dg.AssetCheckSpec, location: Profile) -> Gate:
    bar = defined_bar(spec.metadata)
    return Gate(spec.asset_key.to_user_string(), spec.name, bar.at(bar.value(location)) if bar else None)


def _copy_to_hub(
    context: dg.AssetExecutionContext, runtime: Runtime, release: Artifact, scratch: Path
) -> tuple[dict[str, dg.MetadataValue], str]:
    """Push where the profile names a repository: metadata of the copy, and why it failed (empty when it did not)."""
    hub = runtime.profile.hub
    if not hub.repository:
        return {}, ""
    try:
        copy = runtime.run_job(context, HubCopyJob(release=release.path, digest=release.digest, hub=hub), scratch)
    except FcAssetsError as error:
        return {}, str(error)
    return {
        "hub_commit": dg.MetadataValue.url(copy.commit_url),
        "hub_changed": dg.MetadataValue.bool(copy.changed),
    }, ""


def _describe(release: Release, decision: Decision) -> dict[str, object]:
    return {
        "model_card": dg.MetadataValue.md(release.card),
        "gates_met": sum(result.met for result in decision.gates),
        "gates_overridden": len(decision.unmet),
        **release.headline(),
        "gates": table(decision.gate_rows()),
    }


def read_decision(instance: dg.DagsterInstance, gates: Sequence[Gate], upstream: Sequence[Artifact]) -> Decision:
    """What the instance says of the lineage and of the gates on it, as a decision."""
    lineage = promotion.trace(lambda name: latest_node(instance, name))
    return promotion.decide(
        lineage,
        {artifact.asset: artifact.digest for artifact in upstream},
        gates,
        {gate: found for gate in gates if (found := _latest_evaluation(instance, gate, lineage.get(gate.asset)))},
    )


def latest_node(instance: dg.DagsterInstance, name: str) -> LineageNode | None:
    """The latest materialisation of an asset of the lineage, or of a release; None where there is none."""
    records = instance.fetch_materializations(_key(name), limit=1).records
    if not records or (materialization := records[0].asset_materialization) is None:
        return None
    recorded = record_of(materialization)
    return LineageNode(
        asset=name,
        digest=recorded.digest,
        storage_id=records[0].storage_id,
        inputs=recorded.inputs,
        profile=recorded.profile,
        settings=recorded.settings,
    )


def _latest_evaluation(instance: dg.DagsterInstance, gate: Gate, judged: LineageNode | None) -> GateEvaluation | None:
    """The latest evaluation of a gate that judged the materialisation in the lineage, else the latest of any.

    One that a later run is still making comes first. One that was planned by a run that has ended, or is gone, will
    never be made and does not count.
    """
    latest = None
    for run_id, evaluation in _history(instance, dg.AssetCheckKey(_key(gate.asset), gate.check)):
        if evaluation is None:
            run = instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished:
                return GateEvaluation(passed=None, target=None, run=run_id)
            continue
        found = _as_plain(evaluation)
        if judged is not None and found.target == judged.storage_id:
            return found
        latest = latest or found
    return latest


def _history(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey
) -> Iterator[tuple[str, dg.AssetCheckEvaluation | None]]:
    """Each run that was to make a check and what it found, the latest first; None where it has found nothing yet.

    The records are read page by page, as they are asked for.
    """
    cursor = None
    while page := instance.event_log_storage.get_asset_check_execution_history(key, limit=_PAGE, cursor=cursor):
        for record in page:
            yield record.run_id, None if record.status.value == _PLANNED else record.evaluation
        cursor = page[-1].id


def _as_plain(evaluation: dg.AssetCheckEvaluation) -> GateEvaluation:
    target = evaluation.target_materialization_data
    return GateEvaluation(
        passed=evaluation.passed,
        target=target.storage_id if target else None,
        description=evaluation.description or "",
        values={
            name: value.value
            for name, value in sorted(evaluation.metadata.items())
            if isinstance(value.value, str | int | float | bool)
        },
    )


def _key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/"))
