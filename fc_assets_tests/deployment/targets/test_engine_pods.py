"""What an engine's Deployment and pods say, in the forms in which a cluster says it."""

from typing import Any

import pytest

from fc_assets.deployment.targets import engine_pods


def pod(container: dict[str, Any] | None = None, init: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    """A pod whose containers have these statuses."""

    def statuses(name: str, told: dict[str, Any] | None) -> list[dict[str, Any]]:
        return [{"name": name, "image": "vllm:1", "restartCount": 0, "state": {}, **told}] if told else []

    told = {"initContainerStatuses": statuses("fetch-release", init), "containerStatuses": statuses("vllm", container)}
    return {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "vllm"}]}, "status": {**told, **status}}


def waiting(reason: str, message: str = "because") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (pod(waiting("ErrImagePull")), "The image vllm:1 cannot be had (ErrImagePull): because"),
        (pod(waiting("InvalidImageName")), "The image vllm:1 cannot be had (InvalidImageName): because"),
        (
            pod(waiting("CreateContainerConfigError", 'secret "k" not found')),
            'The container vllm cannot be made (CreateContainerConfigError): secret "k" not found',
        ),
        (pod({"state": ended(1)}), "The engine ended while it was starting, with status 1"),
        (
            pod({**waiting("CrashLoopBackOff"), "lastState": ended(137, "OOMKilled"), "restartCount": 2}),
            "The engine ran out of memory (deployment.memory_gib) while it was starting, with status 137",
        ),
        (
            pod({"state": {"running": {}}, "lastState": ended(0, "Completed"), "restartCount": 1}),
            "The engine ended while it was starting, with status 0",
        ),
        (pod(init={"state": ended(1)}), "The container fetch-release ended while it was starting, with status 1"),
    ],
)
def test_a_pod_that_cannot_come_up_says_why(seen: dict[str, Any], said: str) -> None:
    problem = engine_pods.why_failed(seen)
    assert problem is not None and problem.said == said


@pytest.mark.parametrize(
    "seen",
    [
        pod(waiting("ContainerCreating")),
        pod(waiting("PodInitializing"), init={"state": {"running": {}}}),
        pod({"state": {"running": {}}}, init={"state": ended(0, "Completed")}),
        # Its first try failed, its second brought the release.
        pod({"state": {"running": {}}}, init={"state": ended(0), "lastState": ended(1), "restartCount": 1}),
        pod(),
    ],
)
def test_a_pod_that_may_come_up_has_not_failed(seen: dict[str, Any]) -> None:
    assert engine_pods.why_failed(seen) is None


def test_a_pod_that_no_node_takes_is_waiting_and_says_so() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    waits = pod(conditions=[condition])
    assert engine_pods.why_failed(waits) is None
    assert engine_pods.why_unscheduled(waits) == "no node takes its pod: 0/3 nodes"
    assert engine_pods.why_unscheduled(pod(conditions=[{"type": "PodScheduled", "status": "True"}])) == ""


def test_only_a_pod_that_stays_is_ready() -> None:
    ready = pod(conditions=[{"type": "Ready", "status": "True"}])
    assert engine_pods.is_ready(ready)
    assert not engine_pods.is_ready({**ready, "metadata": {"name": "p", "deletionTimestamp": "now"}})
    assert not engine_pods.is_ready(pod())


@pytest.mark.parametrize(
    ("status", "whole"),
    [
        ({"observedGeneration": 2, "updatedReplicas": 3, "readyReplicas": 3}, True),
        ({"observedGeneration": 1, "updatedReplicas": 3, "readyReplicas": 3}, False),  # of the Deployment before
        ({"observedGeneration": 2, "updatedReplicas": 2, "readyReplicas": 3}, False),
        ({"observedGeneration": 2, "updatedReplicas": 3, "readyReplicas": 2}, False),
        ({}, False),
    ],
)
def test_a_rollout_is_whole_once_every_replica_is_new_and_ready(status: dict[str, int], whole: bool) -> None:
    deployment = {"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": status}
    assert engine_pods.is_rolled_out(deployment) is whole


def test_the_log_that_counts_is_that_of_the_container_that_a_pod_is_at() -> None:
    assert engine_pods.running_container(pod(init={"state": {"running": {}}})) == "fetch-release"
    assert engine_pods.running_container(pod({"state": {}}, init={"state": ended(0)})) == "vllm"
