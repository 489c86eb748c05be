"""The deployment asset: which release the stack on this machine serves. Here it is read and recorded; `deploy` deploys."""

import json
from collections.abc import Iterator

import dagster as dg

from fc_assets.deployment import deploy
from fc_assets.deployment.deploy import DeployError, Outcome, ReleaseFiles
from fc_assets.deployment.targets.compose import release_name
from fc_assets.deployment.targets.stack import COMPOSE_FILE, Stack, why_unavailable
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.metadata import table
from fc_assets.foundation.notify import notify
from fc_assets.foundation.resources import Runtime, latest_artifact
from fc_assets.profiles import ServerSettings
from fc_assets.release.assets import PROMOTED
from fc_assets.release.lineage_facts import recommended_settings

GROUP = "release"
DEPLOYMENT = "vllm_deployment"
RECOMMENDATION = "serving_recommendation"


class DeploymentConfig(dg.Config):
    """`release` is the digest, or its first 16 digits, of an earlier `promoted_policy` to deploy instead."""

    release: str = ""


@dg.asset(
    name=DEPLOYMENT,
    group_name=GROUP,
    kinds={"docker", "vllm"},
    owners=OWNERS,
    code_version=code_version("fc_assets.deployment.deploy"),
    pool="deployment",
    output_required=False,
    deps=[RECOMMENDATION],
    description=(
        "Which release the Docker Compose stack on this machine serves, since when, and how it was probed. "
        "Materialising it deploys the latest release: start, wait, ask, switch; on any failure the release that served "
        "before goes on answering and the run fails. Without a Docker engine, or the image that it is to run, it stays "
        "unmaterialised and says so."
    ),
)
def vllm_deployment(
    context: dg.AssetExecutionContext,
    config: DeploymentConfig,
    runtime: dg.ResourceParam[Runtime],
    promoted_policy: Artifact,
) -> Iterator[dg.MaterializeResult[Artifact]]:
    if missing := why_unavailable(runtime.profile.deployment.image):
        context.log.warning(f"{DEPLOYMENT} stays unmaterialised: {missing}.")
        return
    with runtime.step(context) as step:
        release = _chosen_release(runtime, promoted_policy, config.release)
        server = _server_settings(context, runtime)
        stack = stack_of(runtime)
        try:
            outcome = deploy.deploy(
                stack,
                ReleaseFiles(release.digest, release.path),
                server,
                runtime.profile.evaluation.max_tokens,
                context.log.info,
            )
        except DeployError as error:
            _tell(context, notify("rolled back", f"release {release.digest[:16]}", str(error)))
            raise
        compose = (stack.folder / COMPOSE_FILE).read_text(encoding="utf-8")
        (step.out / COMPOSE_FILE).write_text(compose, encoding="utf-8")
        record = {
            "release": release.digest,
            "image": outcome.image,
            "since": stack.state().since,
            "url": stack.url,
            "steps": outcome.steps,
        }
        (step.out / "deployment.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        if outcome.changed:
            _tell(context, notify("deployed", f"release {release.digest[:16]}", stack.url))
        yield step.publish([release], _describe_deployment(stack, outcome))


def stack_of(runtime: Runtime) -> Stack:
    """The stack of this artefact home."""
    return Stack(runtime.store.home / "deployment", runtime.profile.deployment)


def _chosen_release(runtime: Runtime, latest: Artifact, wanted: str) -> Artifact:
    if not wanted or latest.digest.startswith(wanted):
        return latest
    folder = runtime.store.folder(PROMOTED, wanted)
    record = folder / "MANIFEST.json"
    if not record.is_file():
        raise FcAssetsError(
            f"There is no release {wanted} at {folder}; name the digest of a promoted_policy that is kept"
        )
    return runtime.store.open(PROMOTED, json.loads(record.read_text(encoding="utf-8"))["digest"], folder)


def _server_settings(context: dg.AssetExecutionContext, runtime: Runtime) -> ServerSettings:
    """The profile's server settings, with what the benchmark recommends where it has run."""
    if context.instance.get_latest_materialization_event(dg.AssetKey(RECOMMENDATION)) is None:
        context.log.info(f"{RECOMMENDATION} is not materialised: deploying with the profile's server settings.")
        return runtime.profile.server
    recommendation = latest_artifact(context.instance, runtime.store, dg.AssetKey(RECOMMENDATION))
    settings = {**runtime.profile.server.model_dump(), **recommended_settings(recommendation)}
    return ServerSettings.model_validate(settings)


def _describe_deployment(stack: Stack, outcome: Outcome) -> dict[str, object]:
    return {
        "release": outcome.release,
        "served_as": release_name(stack.settings.served_name, outcome.release),
        "url": dg.MetadataValue.url(stack.url),
        "colour": outcome.colour,
        "since": stack.state().since,
        "steps": table(outcome.steps),
        "seconds": float(sum(step["seconds"] for step in outcome.steps)),
        "canary_share": outcome.canary_share,
        "slowest_answer_s": outcome.slowest_answer_s,
    }


def _tell(context: dg.AssetExecutionContext, problem: str) -> None:
    if problem:
        context.log.warning(problem)


ASSETS = [vllm_deployment]
