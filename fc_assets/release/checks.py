"""Checks on releases and on what runs. None blocks: the gates are upstream, and a promotion by hand is a decision."""

import dagster as dg

from fc_assets.artifacts import Artifact
from fc_assets.release import deploy, package
from fc_assets.release.assets import DEPLOYMENT, PROMOTED, stack_of
from fc_assets.resources import Workshop


@dg.asset_check(
    asset=PROMOTED,
    description="Every gate in the release's record is met; a promotion by hand in spite of unmet gates shows up here.",
)
def promoted_without_override(promoted_policy: Artifact) -> dg.AssetCheckResult:
    override = promoted_policy.read_json(package.RECORD)["override"]
    return dg.AssetCheckResult(
        passed=override is None,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"unmet": dg.MetadataValue.json(override["unmet"] if override else [])},
        description=f"Promoted by hand: {override['reason']}" if override else "Every gate was met.",
    )


LOOK_EVERY = "*/10 * * * *"
LOOK_NOW = (
    dg.AutomationCondition.cron_tick_passed(LOOK_EVERY)
    & ~dg.AutomationCondition.any_deps_missing()
    & ~dg.AutomationCondition.in_progress()
)


@dg.asset_check(
    asset=DEPLOYMENT,
    automation_condition=LOOK_NOW,
    description="The release on record answers through the proxy under its own name: nothing was stopped or replaced.",
)
def deployed_release_answers(vllm_deployment: Artifact, workshop: dg.ResourceParam[Workshop]) -> dg.AssetCheckResult:
    stack = stack_of(workshop)
    recorded = str(vllm_deployment.read_json("deployment.json")["release"])
    serving = stack.state().serving
    running = serving.release if serving else ""
    answers = deploy.answers(stack)
    if not answers:
        said = f"The stack at {stack.url} does not answer; the redeploy sensor or `up` brings it back."
    elif running != recorded:
        said = f"Release {running[:16]} answers, but {recorded[:16]} was deployed last: somebody rolled back."
    else:
        said = f"Release {running[:16]} answers."
    return dg.AssetCheckResult(
        passed=answers and running == recorded,
        metadata={"recorded": recorded, "running": running, "answers": answers},
        description=said,
    )


CHECKS = [promoted_without_override, deployed_release_answers]
