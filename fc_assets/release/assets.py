"""The release assets: a policy that passed its gates, and the stack that serves it.

Here Dagster's instance is read into plain values; `promotion` decides, `package` writes, `deploy` deploys.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.metadata import table
from fc_assets.foundation.notify import notify
from fc_assets.foundation.resources import Runtime
from fc_assets.release import package, promotion
from fc_assets.release.promotion import LINEAGE, POLICY, REPORT, Decision, Evaluation, Gate, Node, NotPromotableError

GROUP = "release"
PROMOTED = "promoted_policy"
SHIPPED = "grpo"
_LOADED = (POLICY, REPORT, "sharegpt_val", "xlam_raw", "base_model", f"predictions/{SHIPPED}")

PROMOTE_WHEN_PROVEN = (
    # The report is the last to be made: a new upstream alone is no reason to promote. The whole lineage are
    # dependencies, so that every gate on it is waited for.
    dg.AutomationCondition.any_deps_updated().allow(dg.AssetSelection.assets(REPORT)).since_last_handled()
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
    & ~dg.AutomationCondition.any_deps_missing()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("a new eval_report, and every gate on its lineage passed")


class PromotionConfig(dg.Config):
    """`override_reason` promotes in spite of unmet gates; it is recorded in the release and shown in its card."""

    override_reason: str = ""


def build_promoted_policy(blocking_checks: Sequence[dg.AssetCheckKey]) -> dg.AssetsDefinition:
    """The asset `promoted_policy`, held to these checks."""
    gates = [Gate(key.asset_key.to_user_string(), key.name) for key in blocking_checks]

    @dg.asset(
        name=PROMOTED,
        group_name=GROUP,
        kinds={"huggingface"},
        owners=OWNERS,
        code_version=code_version("fc_assets.release.package"),
        automation_condition=PROMOTE_WHEN_PROVEN,
        ins={"predictions": dg.AssetIn(key=_key(f"predictions/{SHIPPED}"))},
        deps=[_key(name) for name in LINEAGE if name not in _LOADED],
        description=(
            "A release: the policy's checkpoint with its record, model card and sums. It comes into being only if "
            "every blocking gate on its whole lineage passed for exactly the materialisations that it was made from; "
            "otherwise the step fails and lists all that is unmet. Nothing else leads to a deployment."
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
        loaded = [grpo_policy, eval_report, sharegpt_val, xlam_raw, base_model, predictions]
        with runtime.step(context) as step:
            decision = read_decision(context.instance, gates, loaded)
            try:
                decision.require(config.override_reason)
            except NotPromotableError as error:
                _tell(context, notify("gate failed", POLICY, str(error)))
                raise
            sources = package.Sources(*loaded, decision, config.override_reason, runtime.profile)
            release = package.write_release(step.out, sources)
            result = step.publish(loaded, _describe_release(release, decision))
            _tell(context, notify("promoted", f"release {result.value.digest[:16]}"))
            pushed, problem = _push_to_hub(context, runtime, result.value, step.scratch)
            yield result._replace(metadata={**result.metadata, **pushed})
            if problem:
                # After the materialisation is recorded: what happens on a hub decides nothing about the release.
                raise FcAssetsError(
                    f"Release {result.value.digest[:16]} is promoted and stands, but its copy on the hub does not: "
                    f"{problem}. Materialise {PROMOTED} again to push it"
                )

    return promoted_policy


def _push_to_hub(
    context: dg.AssetExecutionContext, runtime: Runtime, release: Artifact, scratch: Path
) -> tuple[dict[str, object], str]:
    """Push where the profile names a repository; what to show of it, and why it failed (empty when it did not)."""
    hub = runtime.profile.hub
    if not hub.repository:
        return {}, ""
    job = {"release": str(release.path), "digest": release.digest, **hub.model_dump()}
    try:
        pushed = runtime.run_module(context, "fc_assets.release.hub_copy_job", job, scratch)
    except FcAssetsError as error:
        return {}, str(error)
    return {"hub_commit": dg.MetadataValue.url(pushed["commit_url"]), "hub_changed": pushed["changed"]}, ""


def read_decision(instance: dg.DagsterInstance, gates: Sequence[Gate], loaded: Sequence[Artifact]) -> Decision:
    """What the instance says of the lineage and of the gates on it, as a decision."""
    return promotion.decide(
        promotion.trace(lambda name: _latest_node(instance, name)),
        {artifact.asset: artifact.digest for artifact in loaded},
        gates,
        {gate: found for gate in gates if (found := _latest_evaluation(instance, gate))},
    )


def _key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/"))


def _latest_node(instance: dg.DagsterInstance, name: str) -> Node | None:
    records = instance.fetch_materializations(_key(name), limit=1).records
    if not records or (materialization := records[0].asset_materialization) is None:
        return None
    metadata = materialization.metadata
    return Node(
        asset=name,
        digest=str(metadata["sha256"].value),
        storage_id=records[0].storage_id,
        inputs=dict(metadata["inputs"].value),
    )


def _latest_evaluation(instance: dg.DagsterInstance, gate: Gate) -> Evaluation | None:
    record = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(_key(gate.asset), gate.check))
    if record is None:
        return None
    if record.status.value == "PLANNED" or (evaluation := record.evaluation) is None:
        return Evaluation(passed=None, target=None)
    target = evaluation.target_materialization_data
    return Evaluation(
        passed=evaluation.passed,
        target=target.storage_id if target else None,
        description=evaluation.description or "",
        values={
            name: value.value
            for name, value in sorted(evaluation.metadata.items())
            if isinstance(value.value, str | int | float | bool)
        },
    )


def _describe_release(release: package.Release, decision: Decision) -> dict[str, object]:
    shipped = {measure.metric: measure.value for measure in release.measures if measure.variant == SHIPPED}
    return {
        "model_card": dg.MetadataValue.md(release.card),
        "gates_met": sum(result.met for result in decision.gates),
        "gates_overridden": len(decision.unmet),
        "parameters": release.info.parameters,
        "memory_mib": release.info.full_load_mib,
        **shipped,
        "gates": table(
            {
                "gate": str(result.gate),
                "met": result.met,
                "said": result.unmet or result.description,
                "judged": result.digest[:16],
            }
            for result in decision.gates
        ),
    }


def _tell(context: dg.AssetExecutionContext, problem: str) -> None:
    if problem:
        context.log.warning(problem)
