"""The deployment assets: which release the serving stack runs, and a release as files for a cluster.

Deploying itself is `deploy`.
"""

from collections.abc import Iterator
from dataclasses import asdict

import dagster as dg

from fc_assets.deployment import deploy
from fc_assets.deployment.deploy import Outcome
from fc_assets.deployment.engine import EngineSpec, release_name
from fc_assets.deployment.kubernetes.bundle import PURPOSES, write_bundle
from fc_assets.deployment.record import DeploymentRecord, write_record
from fc_assets.deployment.releases import kept_release
from fc_assets.deployment.targets.selection import target_of, why_unavailable
from fc_assets.deployment.targets.target import Target
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.json_files import read_json
from fc_assets.foundation.metadata import table
from fc_assets.foundation.resources import Runtime, StepError
from fc_assets.names import K8S_BUNDLE, RECOMMENDATION, SERVING_RECOMMENDATION, VLLM_DEPLOYMENT
from fc_assets.profiles import DeploymentSettings, ServerSettings

GROUP = "deployment"


class DeploymentConfig(dg.Config):
    """`release` is the digest, or its first 16 digits, of an earlier `promoted_policy` to deploy instead."""

    release: str = ""


@dg.asset(
    name=VLLM_DEPLOYMENT,
    group_name=GROUP,
    kinds={"docker", "vllm"},
    owners=OWNERS,
    code_version=code_version("fc_assets.deployment.deploy", "fc_assets.deployment.record"),
    pool="deployment",
    output_required=False,
    deps=[SERVING_RECOMMENDATION],
    description=(
        "Which release the serving stack runs (Docker Compose here, or a cluster), since when, and how it was probed. "
        "Materialising it deploys the latest release: start, wait, ask, switch; on any failure the release that served "
        "before goes on answering and the run fails. Without a Docker engine and its image, or a cluster, it is "
        "skipped: that and the reason are an observation here, or a failed run where deployment.required is set."
    ),
)
def vllm_deployment(
    context: dg.AssetExecutionContext,
    config: DeploymentConfig,
    runtime: dg.ResourceParam[Runtime],
    promoted_policy: Artifact,
) -> Iterator[dg.MaterializeResult[Artifact]]:
    if missing := why_unavailable(runtime.profile, to_start=True):
        _skip(context, missing, runtime.profile.deployment)
        return
    with runtime.step(context) as step:
        is_latest = promoted_policy.digest.startswith(config.release)
        release = promoted_policy if is_latest else kept_release(runtime.store, config.release)
        stack = stack_of(runtime)
        server, max_tokens = _server_settings(context, runtime), runtime.profile.evaluation.max_tokens
        outcome = deploy.deploy(stack, release.digest, server, max_tokens, context.log.info)
        record = write_record(step.out, stack, outcome)
        yield step.publish([release], _describe(stack, outcome, record))


def _skip(context: dg.AssetExecutionContext, reason: str, settings: DeploymentSettings) -> None:
    """Say on the asset's page that nothing was deployed. Raises `StepError` where a deployment is required."""
    if settings.required:
        raise StepError(
            f"Nothing was deployed: {reason}. Put that right, or set deployment.required to false to skip the "
            "deployment on such a machine"
        )
    skipped = f"Skipped, nothing was deployed: {reason}"
    context.log.warning(f"{VLLM_DEPLOYMENT}: {skipped}")
    context.log_event(dg.AssetObservation(VLLM_DEPLOYMENT, description=skipped, metadata={"skipped": reason}))


def stack_of(runtime: Runtime) -> Target:
    """The stack of this artefact home, on this machine or on a cluster."""
    return target_of(runtime.store, runtime.profile)


def _server_settings(context: dg.AssetExecutionContext, runtime: Runtime) -> ServerSettings:
    """The profile's server settings, with what the load test recommends where it has run."""
    key = dg.AssetKey(SERVING_RECOMMENDATION)
    if context.instance.get_latest_materialization_event(key) is None:
        context.log.info(f"{SERVING_RECOMMENDATION} is not materialised: deploying with the profile's server settings.")
        return runtime.profile.server
    recommended = read_json(runtime.latest(context.instance, key).path / RECOMMENDATION)
    return ServerSettings.model_validate({**runtime.profile.server.model_dump(), **recommended["settings"]})


def _describe(stack: Target, outcome: Outcome, record: DeploymentRecord) -> dict[str, object]:
    return {
        "release": outcome.release,
        "changed": outcome.changed,
        "served_as": release_name(stack.settings.served_name, outcome.release),
        "url": dg.MetadataValue.url(stack.url),
        "colour": outcome.colour,
        "since": record.since,
        "steps": table(asdict(step) for step in outcome.steps),
        "seconds": float(sum(step.seconds for step in outcome.steps)),
        "canary_share": outcome.canary_share,
        "slowest_answer_s": outcome.slowest_answer_s,
    }


@dg.asset(
    name=K8S_BUNDLE,
    group_name=GROUP,
    kinds={"kubernetes", "helm"},
    owners=OWNERS,
    code_version=code_version("fc_assets.deployment.kubernetes.bundle"),
    deps=[SERVING_RECOMMENDATION],
    description=(
        "The latest release as files for a Kubernetes cluster: the Helm chart with its values, values for vLLM's "
        "production-stack and for Dagster's own chart; plain manifests where Helm is installed. Engines fetch the "
        "release by its digest from `kubernetes.releases` and verify it before they start."
    ),
)
def k8s_bundle(
    context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime], promoted_policy: Artifact
) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        engine = EngineSpec(promoted_policy.digest, "blue", _server_settings(context, runtime))
        without_manifests = write_bundle(step.out, engine, runtime.profile)
        if without_manifests:
            context.log.warning(f"{K8S_BUNDLE}: no plain manifests were rendered: {without_manifests}")
        described = {
            "release": promoted_policy.digest,
            "releases": runtime.profile.kubernetes.releases,
            "namespace": runtime.profile.kubernetes.namespace,
            "manifests": without_manifests or "rendered",
            "parts": table({"part": name, "is": said} for name, said in PURPOSES.items() if (step.out / name).exists()),
        }
        return step.publish([promoted_policy], described)


ASSETS = [k8s_bundle, vllm_deployment]
