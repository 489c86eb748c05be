"""The stand-in's controllers: Deployments get pods, pods get a node, an image, their release and an engine, in order.

What a real cluster refuses is refused here with its words: a quota, a node without a free card, an image that is not
there, a Secret that is missing. The release is fetched by the chart's own script from a folder that stands for a claim.
"""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fc_assets_tests.support.kubernetes.objects import Object, Objects
from fc_assets_tests.support.kubernetes.pod_engine import Engine, EngineScript, fetch

GPU = "nvidia.com/gpu"
TICK_SECONDS = 0.02


@dataclass
class Hardware:
    """What the cluster has: cards on its one node, a quota of cards, images that can be pulled, claims' folders."""

    cards: int = 4
    quota: int | None = None
    images: set[str] = field(default_factory=set)
    claims: dict[str, Path] = field(default_factory=dict)


class Controllers:
    """Reconciles on a thread of its own until it is closed."""

    def __init__(self, objects: Objects, hardware: Hardware, folder: Path) -> None:
        self.objects, self.hardware, self.folder = objects, hardware, folder
        self.scripts: dict[str, EngineScript] = {}
        self.engines: dict[str, Engine] = {}
        self.logs: dict[tuple[str, str], str] = {}
        self.seen_serving: list[str] = []
        self.errors: list[BaseException] = []
        self._number = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        for engine in self.engines.values():
            engine.end()

    def delete(self, plural: str, name: str) -> None:
        """Foreground: what a Deployment owns goes first, which takes a pod a moment."""
        self.objects.get(plural, name)
        if plural == "deployments":
            for pod in self._pods(name):
                pod["metadata"].setdefault("deletionTimestamp", time.time())
        del self.objects.kept[plural, name]
        self.objects.applied.pop((plural, name), None)

    def endpoints(self, service: Object) -> list[Object]:
        """One slice: the pods that the Service selects, and whether they are ready."""
        pods = self.objects.select("pods", service["spec"]["selector"])
        found = [
            {
                "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"]},
                "conditions": {"ready": is_ready(pod) and "deletionTimestamp" not in pod["metadata"]},
            }
            for pod in pods
        ]
        return [{"metadata": {"name": service["metadata"]["name"] + "-x"}, "endpoints": found or None}]

    def _run(self) -> None:
        while not self._ended.wait(TICK_SECONDS):
            try:
                with self.objects.lock:
                    self._reconcile()
            except BaseException as error:  # shown by the test that it would otherwise hang
                self.errors.append(error)
                raise

    def _reconcile(self) -> None:
        now = time.time()
        for pod in self.objects.select("pods", {}):
            if now - pod["metadata"].get("deletionTimestamp", now) > 0.1:
                self._end(pod["metadata"]["name"])
            elif "deletionTimestamp" not in pod["metadata"]:
                self._advance(pod)
        for deployment in self.objects.select("deployments", {}):
            self._roll_out(deployment)

    def _end(self, name: str) -> None:
        del self.objects.kept["pods", name]
        if engine := self.engines.pop(name, None):
            engine.end()

    def _pods(self, deployment: str) -> list[Object]:
        return [pod for pod in self.objects.select("pods", {}) if pod["metadata"]["owner"] == deployment]

    def _roll_out(self, deployment: Object) -> None:
        name, spec = deployment["metadata"]["name"], deployment["spec"]
        wanted = spec.get("replicas", 1)
        alive = [pod for pod in self._pods(name) if "deletionTimestamp" not in pod["metadata"]]
        current = [pod for pod in alive if pod["metadata"]["template"] == spec["template"]]
        status = deployment.setdefault("status", {})
        status["conditions"] = []
        if len(current) < wanted:
            if refused := self._over_quota(name, spec["template"]["spec"]):
                status["conditions"] = [{"type": "ReplicaFailure", "status": "True", "message": refused}]
            else:
                self._create_pod(name, spec["template"])
        ready = [pod for pod in current if is_ready(pod)]
        if len(ready) >= wanted:  # maxUnavailable is 0
            for pod in alive:
                if pod not in current:
                    pod["metadata"]["deletionTimestamp"] = time.time()
        status["observedGeneration"] = deployment["metadata"]["generation"]
        status["updatedReplicas"], status["readyReplicas"] = len(current), len(ready)

    def _over_quota(self, deployment: str, spec: Object) -> str:
        used = sum(cards(pod["spec"]) for pod in self.objects.select("pods", {}))
        quota = self.hardware.quota
        if quota is None or used + cards(spec) <= quota:
            return ""
        return (
            f'pods "{deployment}-6d4cf56db6-x" is forbidden: exceeded quota: cards, requested: requests.{GPU}='
            f"{cards(spec)}, used: requests.{GPU}={used}, limited: requests.{GPU}={quota}"
        )

    def _create_pod(self, deployment: str, template: Object) -> None:
        self._number += 1
        name = f"{deployment}-{self._number}"
        metadata = {
            "name": name,
            "labels": template["metadata"]["labels"],
            "owner": deployment,
            "template": template,
        }
        status = {"phase": "Pending", "conditions": []}
        self.objects.kept["pods", name] = {"metadata": metadata, "spec": template["spec"], "status": status}

    def _advance(self, pod: Object) -> None:
        """Take a pod one step on: node, image, release, engine."""
        status, name = pod["status"], pod["metadata"]["name"]
        if not pod.get("node") and not self._schedule(pod):
            return
        (init,), (main,) = pod["spec"]["initContainers"], pod["spec"]["containers"]
        if main["image"] not in self.hardware.images:
            said = f'Back-off pulling image "{main["image"]}": not found'
            status["initContainerStatuses"] = [
                {**_container(init), "state": {"waiting": {"reason": "ImagePullBackOff", "message": said}}}
            ]
            return
        fetching = status.get("initContainerStatuses", [{"state": {}}])[0]["state"]
        if "terminated" not in fetching:
            code = self._fetch(pod, init)
            status["initContainerStatuses"] = [{**_container(init), "state": {"terminated": {"exitCode": code}}}]
            return
        if fetching["terminated"]["exitCode"]:
            return
        if name not in self.engines and "containerStatuses" not in status:
            self._start_engine(pod, main)
        ready = name in self.engines and self.engines[name].script.healthy
        status["conditions"] = [{"type": "Ready", "status": str(ready)}]

    def _schedule(self, pod: Object) -> bool:
        used = sum(cards(other["spec"]) for other in self.objects.select("pods", {}) if other.get("node"))
        if used + cards(pod["spec"]) <= self.hardware.cards:
            pod["node"] = "node-1"
            return True
        said = f"0/1 nodes are available: 1 Insufficient {GPU}."
        pod["status"]["conditions"] = [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
        ]
        return False

    def _fetch(self, pod: Object, init: Object) -> int:
        volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
        script = self.objects.get("configmaps", volumes["fetch"]["configMap"]["name"])["data"]["fetch_release.py"]
        place = self.folder / pod["metadata"]["name"]
        folders = {"/fetch": place / "fetch", "/releases": place / "releases"}
        if "store" in volumes:
            folders["/store"] = self.hardware.claims[volumes["store"]["persistentVolumeClaim"]["claimName"]]
        code, self.logs[pod["metadata"]["name"], init["name"]] = fetch(init, script, folders)
        return code

    def _start_engine(self, pod: Object, main: Object) -> None:
        status, name, words = pod["status"], pod["metadata"]["name"], main["args"]
        begin = words.index("--served-model-name") + 1
        names = words[begin : begin + 2]
        script = self.scripts.get(pod["metadata"]["labels"]["fc-assets.io/release"], EngineScript())
        if script.exit_code is not None:
            self.logs[name, main["name"]] = "torch.OutOfMemoryError: CUDA out of memory"
            ended = {"exitCode": script.exit_code, "reason": "OOMKilled" if script.exit_code == 137 else "Error"}
            status["containerStatuses"] = [{**_container(main), "state": {"terminated": ended}}]
            return
        reference = main["env"][0]["valueFrom"]["secretKeyRef"]
        secret = self.objects.kept.get(("secrets", reference["name"]))
        if secret is None:
            waits = {"reason": "CreateContainerConfigError", "message": f'secret "{reference["name"]}" not found'}
            status["containerStatuses"] = [{**_container(main), "state": {"waiting": waits}}]
            return
        key = base64.b64decode(secret["data"][reference["key"]]).decode()
        self.engines[name] = Engine(names, key, script)
        self.logs[name, main["name"]] = "Application startup complete."
        status["containerStatuses"] = [
            {**_container(main), "imageID": f"{main['image']}@sha256:{'5' * 64}", "state": {"running": {}}}
        ]


def cards(spec: Object) -> int:
    """How many cards a pod asks for."""
    return sum(int(each["resources"].get("limits", {}).get(GPU, 0)) for each in spec["containers"])


def is_ready(pod: Object) -> bool:
    return any(each == {"type": "Ready", "status": "True"} for each in pod["status"]["conditions"])


def _container(container: Object) -> dict[str, Any]:
    return {"name": container["name"], "image": container["image"], "restartCount": 0}
