"""What a cluster says of an engine, read from its Deployment and its pods: ready, waiting, or failed and why.

On plain objects of the API. Asking for them is `cluster`'s; a new way in which a pod fails belongs here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fc_assets.deployment.kubernetes.helm import Manifest

_NO_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_NO_CONTAINER = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


@dataclass(frozen=True)
class PodProblem:
    """Why a pod cannot come up, as a sentence without its full stop, and the container that it is about."""

    said: str
    container: str


def is_rolled_out(deployment: Manifest) -> bool:
    """Whether the cluster has seen this Deployment and every replica of it is ready."""
    status = deployment.get("status", {})
    wanted = deployment["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return bool(seen and status.get("updatedReplicas", 0) == status.get("readyReplicas", 0) == wanted)


def is_ready(pod: Manifest) -> bool:
    """Whether a pod is ready and not on its way out."""
    return "deletionTimestamp" not in pod["metadata"] and _condition(pod, "Ready").get("status") == "True"


def image(pod: Manifest) -> str:
    """The digest of the image that a pod's engine runs; empty before it does."""
    found = [str(status.get("imageID", "")) for status in pod.get("status", {}).get("containerStatuses", [])]
    return found[0] if found else ""


def why_no_pods(deployment: Manifest) -> str:
    """Why the cluster makes no pods for a Deployment: a quota, a policy; empty while it does."""
    condition = _condition(deployment, "ReplicaFailure")
    if condition.get("status") != "True":
        return ""
    return f"The cluster makes no pod for the engine: {condition.get('message', 'it does not say why')}"


def why_failed(pod: Manifest) -> PodProblem | None:
    """Why a pod cannot come up any more; None while it may. One that fell over while starting is not waited for."""
    for status in _containers(pod):
        name, state = str(status["name"]), status.get("state", {})
        waits = state.get("waiting", {})
        reason, message = str(waits.get("reason", "")), str(waits.get("message", ""))
        if reason in _NO_IMAGE:
            return PodProblem(f"The image {status['image']} cannot be had ({reason}): {message}", name)
        if reason in _NO_CONTAINER:
            return PodProblem(f"The container {name} cannot be made ({reason}): {message}", name)
        ended = state.get("terminated") or status.get("lastState", {}).get("terminated") or {}
        if ended.get("exitCode") or (status.get("restartCount") and name == engine_container(pod)):
            how = "ran out of memory (deployment.memory_gib)" if ended.get("reason") == "OOMKilled" else "ended"
            what = "engine" if name == engine_container(pod) else f"container {name}"
            return PodProblem(f"The {what} {how} while it was starting, with status {ended.get('exitCode')}", name)
    return None


def why_unscheduled(pod: Manifest) -> str:
    """Why no node takes a pod, as the end of a sentence; empty once one has."""
    condition = _condition(pod, "PodScheduled")
    if condition.get("reason") != "Unschedulable":
        return ""
    return f"no node takes its pod: {condition.get('message', 'the scheduler does not say why')}"


def engine_container(pod: Manifest) -> str:
    """The name of the container that runs vLLM."""
    return str(pod["spec"]["containers"][0]["name"])


def running_container(pod: Manifest) -> str:
    """The container that a pod is at: the one that fetches the release, until that is done."""
    for status in pod.get("status", {}).get("initContainerStatuses", []):
        if not status.get("state", {}).get("terminated"):
            return str(status["name"])
    return engine_container(pod)


def _containers(pod: Manifest) -> Iterator[dict[str, Any]]:
    status = pod.get("status", {})
    yield from status.get("initContainerStatuses", [])
    yield from status.get("containerStatuses", [])


def _condition(thing: Manifest, kind: str) -> dict[str, Any]:
    conditions = thing.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == kind), {})
