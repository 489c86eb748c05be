"""The check on what runs: does the release on record answer? It does not block: nothing is made from a deployment."""

import dagster as dg

from fc_assets.deployment import deploy
from fc_assets.deployment.assets import stack_of
from fc_assets.deployment.record import DeploymentRecord
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.resources import Runtime
from fc_assets.names import DEPLOYMENT_RECORD, VLLM_DEPLOYMENT

LOOK_EVERY = "*/10 * * * *"
_TICK: dg.AutomationCondition[dg.AssetCheckKey] = dg.AutomationCondition.cron_tick_passed(LOOK_EVERY)
LOOK_NOW = _TICK & ~dg.AutomationCondition.any_deps_missing() & ~dg.AutomationCondition.in_progress()


@dg.asset_check(
    asset=VLLM_DEPLOYMENT,
    automation_condition=LOOK_NOW,
    description="The release on record answers through the proxy under its own name: nothing was stopped or replaced.",
)
def deployed_release_answers(vllm_deployment: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    stack = stack_of(runtime)
    recorded = DeploymentRecord.model_validate(vllm_deployment.read_json(DEPLOYMENT_RECORD)).release
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


CHECKS = [deployed_release_answers]
