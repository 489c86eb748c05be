"""The values of the charts: ours in its two halves, the production-stack's, and Dagster's. Rendering only.

How vLLM is started comes from `engine`, as for the Compose stack: it is said in one place. What Helm makes of the
values belongs to `helm`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fc_assets.deployment.engine import ENGINE_PORT, Colour, EngineSpec, engine_command, model_path
from fc_assets.deployment.kubernetes.helm import CHART
from fc_assets.errors import FcAssetsError
from fc_assets.profiles import DeploymentSettings, KubernetesSettings

Values = dict[str, Any]

API_KEY = "api_key"
HOME_CLAIM = "fc-assets-home"
TRAINING_IMAGE = ("fc-assets-training", "gpu")
STEPS_IN_PODS = "FC_STEPS_IN_PODS"
"""Set where each step of a run is to have a pod of its own, with the resources that its tags ask for."""

_CLAIM = "claim://"
_GPU_TAINT = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
_USER = {"runAsNonRoot": True, "runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}
_FENCES = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def api_key_secret(settings: DeploymentSettings) -> str:
    """The name of the Secret with the users' key."""
    return f"{settings.project}-api-key"


def serving_values(
    engines: Sequence[EngineSpec], active: Colour | None, settings: DeploymentSettings, cluster: KubernetesSettings
) -> Values:
    """The serving half with these engines, of which the Service sends requests to `active`, or to none.

    Raises `FcAssetsError` for a key in `kubernetes.values` that would say which release serves.
    """
    if ours := sorted({"engines", "active", "enabled"} & set(cluster.values)):
        raise FcAssetsError(f"kubernetes.values must not set {', '.join(ours)}: the deployment decides that; remove it")
    on_card = any(engine.server.device == "cuda" for engine in engines)
    rendered: Values = {
        "enabled": True,
        "engines": {engine.colour: _engine(engine, settings) for engine in engines},
        "active": active or "",
        "servedName": settings.served_name,
        "image": settings.image,
        "startTimeoutSeconds": settings.start_timeout_s,
        "drainSeconds": settings.drain_s,
        "gpus": int(on_card),
        "cpus": settings.cpus,
        "memory": f"{settings.memory_gib}Gi",
        "tolerations": [_GPU_TAINT] if on_card else [],
        "release": _source(cluster.releases),
        "apiKey": {"secret": api_key_secret(settings), "key": API_KEY},
    }
    return {"serving": _merged(rendered, cluster.values), "platform": {"enabled": False}}


def platform_values() -> Values:
    """The platform half alone: the volume of the artefact home, and who may reach the webserver."""
    return {"serving": {"enabled": False}, "platform": {"enabled": True, "home": {"claim": HOME_CLAIM}}}


def production_stack_values(engine: EngineSpec, settings: DeploymentSettings, cluster: KubernetesSettings) -> Values:
    """Values of vLLM's production-stack chart for one engine on a card: its router sends a prefix to the same engine.

    The release comes by the same init container as in our chart; its script is an object beside the stack.
    """
    command, (repository, tag) = engine_command(engine, settings), _image(settings.image)
    source = _source(cluster.releases)
    beginning = command.flags.index("--served-model-name")  # the chart says model, host and port itself
    key = {"secretName": api_key_secret(settings), "secretKey": API_KEY}
    fetch = f"{settings.project}-fetch"
    mounts = [{"name": "releases", "mountPath": "/releases"}]
    volumes: list[Values] = [
        {"name": "releases", "emptyDir": {"sizeLimit": "20Gi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "10Gi"}},
        {"name": "fetch", "configMap": {"name": fetch}},
    ]
    stored = []
    if not source["url"]:
        volumes.append({"name": "store", "persistentVolumeClaim": {"claimName": source["claim"], "readOnly": True}})
        stored = [{"name": "store", "mountPath": "/store", "readOnly": True}]
    model: Values = {
        "name": settings.served_name,
        "repository": repository,
        "tag": tag,
        "modelURL": model_path(engine.release),
        "replicaCount": 1,
        "requestCPU": settings.cpus,
        "requestMemory": f"{settings.memory_gib}Gi",
        "limitMemory": f"{settings.memory_gib}Gi",
        "requestGPU": 1,
        "podAnnotations": {"fc-assets.io/release": engine.release},
        "env": [{"name": name, "value": value} for name, value in command.environment.items()],
        "vllmConfig": {"enablePrefixCaching": True, "extraArgs": command.flags[beginning:]},
        "initContainer": {
            "name": "fetch-release",
            "image": settings.image,
            "command": ["python3", "/fetch/fetch_release.py"],
            "args": [
                source["url"] or f"/store/{source['folder']}",
                engine.release,
                model_path(engine.release).rpartition("/")[0],
            ],
            "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
            "extraVolumeMounts": [*mounts, {"name": "fetch", "mountPath": "/fetch", "readOnly": True}, *stored],
        },
        "extraVolumes": volumes,
        "extraVolumeMounts": [*mounts, {"name": "tmp", "mountPath": "/tmp"}],
    }
    probe = {"httpGet": {"path": "/health", "port": ENGINE_PORT}}
    return {
        "servingEngineSpec": {
            "runtimeClassName": "",
            "imagePullPolicy": "IfNotPresent",
            "vllmApiKey": key,
            "securityContext": {**_USER, "seccompProfile": {"type": "RuntimeDefault"}},
            "containerSecurityContext": {**_FENCES, "runAsNonRoot": True, "readOnlyRootFilesystem": True},
            "tolerations": [_GPU_TAINT],
            "startupProbe": {**probe, "periodSeconds": 5, "failureThreshold": -(-settings.start_timeout_s // 5)},
            "modelSpec": [model],
        },
        "routerSpec": {"routingLogic": "prefixaware", "vllmApiKey": key},
        "extraObjects": [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": fetch},
                "data": {"fetch_release.py": (CHART / "files" / "fetch_release.py").read_text(encoding="utf-8")},
            }
        ],
    }


def dagster_values(profile: str) -> Values:
    """Values of the official Dagster chart: runs and steps in pods of their own, one home, Postgres from outside.

    The chart's password Secret is called `dagster-postgresql-secret`, with the key `postgresql-password`.
    """
    repository, tag = TRAINING_IMAGE
    image = {"repository": repository, "tag": tag, "pullPolicy": "IfNotPresent"}
    volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": HOME_CLAIM}}]
    mounts = [{"name": "home", "mountPath": "/data"}]
    environment = {
        "FC_PROFILE": profile,
        "FC_ASSETS_HOME": "/data",
        "HF_HOME": "/data/.huggingface",
        STEPS_IN_PODS: "1",
    }
    retention = {"purgeAfterDays": {"skipped": 7, "success": 90, "failure": 90, "started": -1}}
    return {
        "global": {"postgresqlSecretName": "dagster-postgresql-secret"},
        "generatePostgresqlPasswordSecret": False,
        "postgresql": {"enabled": False, "postgresqlHost": "postgres", "postgresqlUsername": "dagster"},
        "rabbitmq": {"enabled": False},
        "telemetry": {"enabled": False},
        # No Ingress: the webserver has no login. See docs/kubernetes.md for the proxy that asks for one.
        "ingress": {"enabled": False},
        "dagsterWebserver": {"podSecurityContext": _USER, "securityContext": _FENCES},
        "dagsterDaemon": {
            "podSecurityContext": _USER,
            "securityContext": _FENCES,
            "runMonitoring": {"enabled": True, "startTimeoutSeconds": 600, "maxResumeRunAttempts": 0},
            "runCoordinator": {
                "enabled": True,
                "type": "QueuedRunCoordinator",
                "config": {"queuedRunCoordinator": {"maxConcurrentRuns": 4}},
            },
        },
        "dagster-user-deployments": {
            "enabled": True,
            "enableSubchart": True,
            "deployments": [
                {
                    "name": "fc-assets",
                    "image": image,
                    "dagsterApiGrpcArgs": ["--module-name", "fc_assets.definitions"],
                    "port": 4000,
                    "includeConfigInLaunchedRuns": {"enabled": True},
                    "env": [{"name": name, "value": value} for name, value in environment.items()],
                    "podSecurityContext": _USER,
                    "securityContext": _FENCES,
                    "volumes": volumes,
                    "volumeMounts": mounts,
                }
            ],
        },
        "runLauncher": {
            "type": "K8sRunLauncher",
            "config": {
                "k8sRunLauncher": {
                    "imagePullPolicy": "IfNotPresent",
                    "loadInclusterConfig": True,
                    "envConfigMaps": [],
                    "envSecrets": [],
                    "envVars": [],
                    "volumes": [],
                    "volumeMounts": [],
                    "runK8sConfig": {
                        "podSpecConfig": {"securityContext": _USER},
                        "jobSpecConfig": {"ttlSecondsAfterFinished": 86400},
                    },
                }
            },
        },
        "retention": {"enabled": True, "schedule": retention, "sensor": retention},
        "additionalInstanceConfig": {"concurrency": {"pools": {"default_limit": 1, "granularity": "op"}}},
    }


def _engine(engine: EngineSpec, settings: DeploymentSettings) -> Values:
    command = engine_command(engine, settings)
    return {
        "release": engine.release,
        "module": command.module,
        "args": command.flags,
        "env": command.environment,
    }


def _source(releases: str) -> dict[str, str]:
    """`kubernetes.releases` as the chart's `release` section."""
    if not releases.startswith(_CLAIM):
        return {"url": releases, "claim": "", "folder": ""}
    claim, _, folder = releases.removeprefix(_CLAIM).partition("/")
    return {"url": "", "claim": claim, "folder": folder}


def _image(image: str) -> tuple[str, str]:
    """Repository and tag, as the production-stack writes them with a colon between; a digest keeps its @sha256."""
    repository, _, tag = image.rpartition(":")
    return (repository, tag) if repository and "/" not in tag else (image, "latest")


def _merged(rendered: Mapping[str, Any], given: Mapping[str, Any]) -> Values:
    """`rendered` with what `given` has in its place, section by section."""
    merged = dict(rendered)
    for name, value in given.items():
        before = merged.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[name] = _merged(before, value)
        else:
            merged[name] = value
    return merged
