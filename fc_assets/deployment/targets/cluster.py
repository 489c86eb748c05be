"""The stack on a Kubernetes cluster: the chart's objects, the record of what serves, and how engines are reached.

Helm renders the chart, the official client applies it. A release is switched by the Service's selector. The record, the
users' key and the hold on the target are objects of the namespace, so that it does not matter which machine deploys.
Why an engine does not come up is read in `engine_pods`. No release is chosen here.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter

from fc_assets.deployment.engine import COLOURS, Colour, EngineSpec
from fc_assets.deployment.kubernetes.helm import Manifest, parse, render, why_no_helm
from fc_assets.deployment.kubernetes.values import API_KEY, api_key_secret, serving_values
from fc_assets.deployment.targets import engine_pods
from fc_assets.deployment.targets.api import (
    CONFIG_MAP,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    LEASE,
    POD,
    SECRET,
    AbsentError,
    ClusterApi,
    ClusterError,
    ConflictError,
    ObjectKind,
    kind_of,
)
from fc_assets.deployment.targets.stack import STATE_FILE, StackState
from fc_assets.deployment.targets.tunnel import Tunnel
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.names import SERVING_MANIFESTS
from fc_assets.profiles import DeploymentSettings, KubernetesSettings
from fc_assets.serving.endpoint import Endpoint

COLOUR_LABEL = "fc-assets.io/colour"
SWITCH_TIMEOUT_S = 60
_POLL_SECONDS = 0.5
_LOG_LINES = 25
_OF_AN_ENGINE = (
    ObjectKind("autoscaling/v2", "HorizontalPodAutoscaler"),
    ObjectKind("keda.sh/v1alpha1", "ScaledObject"),
    ObjectKind("policy/v1", "PodDisruptionBudget"),
    DEPLOYMENT,
)
"""The kinds that each colour has of its own; an autoscaler goes before what it would scale."""
_STATE_FORM = TypeAdapter(StackState)
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


def why_unavailable(cluster: KubernetesSettings) -> str:
    """Why no cluster can be managed from this machine, as the end of a sentence; empty when one can."""
    if missing := why_no_helm():
        return missing
    try:
        ClusterApi(cluster.context, cluster.namespace).version()
    except ClusterError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class Cluster:
    """One installation of the chart's serving half, called as the project, in one namespace."""

    store: ArtifactStore
    settings: DeploymentSettings
    cluster: KubernetesSettings
    _tunnels: dict[str, Tunnel] = field(default_factory=dict, repr=False)

    @cached_property
    def api(self) -> ClusterApi:
        """The cluster's API."""
        return ClusterApi(self.cluster.context, self.cluster.namespace)

    @property
    def rendered(self) -> Path:
        """The manifests as they were applied last from this home."""
        return self.store.home / "deployment" / SERVING_MANIFESTS

    @property
    def url(self) -> str:
        """The host of the route, or the Service's name inside the cluster where there is no route."""
        route = self.cluster.values.get("route", {})
        if host := route.get("host"):
            return f"{'https' if route.get('tlsSecret') else 'http'}://{host}"
        return f"http://{self.settings.project}.{self.cluster.namespace}.svc"

    @property
    def key_place(self) -> str:
        """Where people find the users' key."""
        return f"in the Secret {api_key_secret(self.settings)} of the namespace {self.cluster.namespace}, as {API_KEY}"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold a Lease while the block lasts. Raises `ClusterError` while another deployment has it."""
        held = self._take_lease()
        try:
            yield
        finally:
            self.api.delete(LEASE, held)

    def _take_lease(self) -> str:
        name, holder = f"{self.settings.project}-deployment", f"{socket.gethostname()}/{os.getpid()}"
        seconds = 2 * self.settings.start_timeout_s + self.settings.drain_s + 300  # a roll-back may start an engine too
        lease: Manifest = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.name,
            "metadata": {"name": name, "namespace": self.cluster.namespace},
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": seconds,
                "acquireTime": datetime.now(UTC).strftime(_TIME),
            },
        }
        try:
            self.api.create(lease)
        except ConflictError:
            before = self.api.get(LEASE, name)
            if before is None:
                return self._take_lease()
            spec = before["spec"]
            began = datetime.strptime(spec["acquireTime"], _TIME).replace(tzinfo=UTC)
            ends = began + timedelta(seconds=spec["leaseDurationSeconds"])
            if datetime.now(UTC) < ends:
                raise ClusterError(
                    f"Another deployment, {spec['holderIdentity']}, is under way since {spec['acquireTime']}: wait for "
                    f"its end; if it was killed, delete the Lease {name}, which else ends at {ends.strftime(_TIME)}"
                ) from None
            version = before["metadata"]["resourceVersion"]
            self.api.replace({**lease, "metadata": {**lease["metadata"], "resourceVersion": version}})
        return name

    def state(self) -> StackState:
        """The record of what serves; the empty state where nothing was ever deployed."""
        found = self.api.get(CONFIG_MAP, self._state_name)
        return _STATE_FORM.validate_json(found["data"][STATE_FILE]) if found else StackState()

    def record(self, state: StackState) -> None:
        """Replace the record in one step."""
        text = _STATE_FORM.dump_json(state, indent=2).decode()
        self.api.apply(self._object(CONFIG_MAP, self._state_name, {"data": {STATE_FILE: text}}))

    def former_folders(self) -> list[Path]:
        """None: engines fetch their release, and know no folder of this machine."""
        return []

    def write(self, engines: Sequence[EngineSpec]) -> None:
        """Render the chart with these engines; the Service sends requests to the one on record, if it is among them."""
        serving = self.state().serving
        active = serving.colour if serving and serving in engines else None
        values = serving_values(engines, active, self.settings, self.cluster)
        self.rendered.parent.mkdir(parents=True, exist_ok=True)
        self.rendered.write_text(render(self.settings.project, self.cluster.namespace, values), encoding="utf-8")

    def start_shared_services(self, on_card: bool) -> None:
        """Apply what every release shares, and make the users' key where there is none."""
        del on_card  # monitoring a card is the cluster's own
        with contextlib.suppress(ConflictError):
            key = base64.b64encode(secrets.token_hex(32).encode()).decode()
            self.api.create(self._object(SECRET, api_key_secret(self.settings), {"data": {API_KEY: key}}))
        for manifest in self._manifests(None):
            self._apply(manifest)

    def start(self, colour: Colour) -> None:
        """Start a fresh engine of that colour, as it was rendered."""
        self.remove(colour)
        for manifest in self._manifests(colour):
            self._apply(manifest)

    def remove(self, colour: Colour) -> None:
        """Delete the engine of that colour and wait until its pods are gone, so that their cards are free."""
        for kind in _OF_AN_ENGINE:
            for found in self.api.list(kind, self._labels(colour)):
                self.api.delete(kind, found["metadata"]["name"])
        deadline = time.monotonic() + self.settings.drain_s + 90
        while pods := self._pods(colour):
            if time.monotonic() > deadline:
                names = ", ".join(pod["metadata"]["name"] for pod in pods)
                raise ClusterError(f"The pods {names} do not end: look at their node")
            time.sleep(_POLL_SECONDS)

    def runs(self, colour: Colour) -> bool:
        """Whether the engine of that colour has a pod that is ready."""
        return any(map(engine_pods.is_ready, self._pods(colour)))

    def image(self, colour: Colour) -> str:
        """The digest of the image that the engine of that colour runs; empty where there is none."""
        return next(filter(None, map(engine_pods.image, self._pods(colour))), "")

    def why_failed(self, colour: Colour) -> str:
        """Why the engine of that colour cannot come up any more, as a sentence; empty while it may."""
        deployment = self.api.get(DEPLOYMENT, self._name(colour))
        if deployment is None:
            return f"Somebody deleted the Deployment {self._name(colour)} while its engine was starting"
        if said := engine_pods.why_no_pods(deployment):
            return said
        for pod in self._pods(colour):
            if problem := engine_pods.why_failed(pod):
                return f"{problem.said}; its log ends:\n{self._log(pod, problem.container)}"
        return ""

    def last_words(self, colour: Colour) -> str:
        """Why no node takes a pod of the engine, or how the log of one that is not ready ends."""
        pods = self._pods(colour)
        if not pods:
            return "it has no pod"
        if waits := next(filter(None, map(engine_pods.why_unscheduled, pods)), ""):
            return waits
        pod = next((pod for pod in pods if not engine_pods.is_ready(pod)), pods[0])
        return f"its log ends:\n{self._log(pod, engine_pods.running_container(pod))}"

    def point_at(self, engine: EngineSpec | None) -> None:
        """Let the Service select this engine's pods, or none, and wait until the cluster has taken that up."""
        colour = engine.colour if engine else "none"
        (service,) = [each for each in self._manifests(None) if each["kind"] == "Service"]
        service["spec"]["selector"][COLOUR_LABEL] = colour
        self._apply(service)
        deadline = time.monotonic() + SWITCH_TIMEOUT_S
        while not self._is_switched(engine):
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"The Service {self.settings.project} did not take up the {colour} engine within "
                    f"{SWITCH_TIMEOUT_S} s: look at its EndpointSlices"
                )
            time.sleep(_POLL_SECONDS)

    def users_endpoint(self) -> Endpoint:
        """The release that serves: a pod that the Service sends requests to."""
        return self._endpoint("service", self._pod_of_service)

    def engine_endpoint(self, colour: Colour) -> Endpoint:
        """One engine, whether it serves or not: a pod of it, once each of its replicas is ready."""
        return self._endpoint(colour, lambda: self._pod_of_engine(colour))

    def down(self) -> None:
        """Delete both engines; the Service stays and selects none, as do the key and the record."""
        for colour in COLOURS:
            self.remove(colour)

    def _endpoint(self, name: str, find_pod: Callable[[], str]) -> Endpoint:
        tunnel = self._tunnels.get(name)
        if tunnel is None or tunnel.expired:
            tunnel = self._tunnels[name] = Tunnel(self.api, find_pod)
        return Endpoint(tunnel.url, self.settings.served_name, self._key())

    def _key(self) -> str:
        found = self.api.get(SECRET, api_key_secret(self.settings))
        if found is None or API_KEY not in found.get("data", {}):
            raise ClusterError(f"There is no key {self.key_place}: deploy once, which makes it")
        return base64.b64decode(found["data"][API_KEY]).decode()

    def _pod_of_service(self) -> str:
        ready = self._ready_endpoints()
        return ready[0] if ready else ""

    def _pod_of_engine(self, colour: Colour) -> str:
        deployment = self.api.get(DEPLOYMENT, self._name(colour))
        if deployment is None or not engine_pods.is_rolled_out(deployment):
            return ""
        ready = filter(engine_pods.is_ready, self._pods(colour))
        return next((str(pod["metadata"]["name"]) for pod in ready), "")

    def _ready_endpoints(self) -> list[str]:
        """The pods that the Service sends requests to."""
        slices = self.api.list(ENDPOINT_SLICE, {"kubernetes.io/service-name": self.settings.project})
        endpoints = [each for part in slices for each in part.get("endpoints") or []]
        return [str(each["targetRef"]["name"]) for each in endpoints if each.get("conditions", {}).get("ready")]

    def _is_switched(self, engine: EngineSpec | None) -> bool:
        ready = set(self._ready_endpoints())
        if engine is None:
            return not ready
        return bool(ready) and ready <= {str(pod["metadata"]["name"]) for pod in self._pods(engine.colour)}

    def _pods(self, colour: Colour) -> list[Manifest]:
        return self.api.list(POD, self._labels(colour))

    def _log(self, pod: Manifest, container: str) -> str:
        return self.api.log_tail(pod["metadata"]["name"], container, _LOG_LINES)

    def _manifests(self, colour: Colour | None) -> list[Manifest]:
        """What was rendered for one colour; with None what no colour has of its own."""
        found = parse(self.rendered.read_text(encoding="utf-8"))
        return [each for each in found if each["metadata"]["labels"].get(COLOUR_LABEL) == colour]

    def _apply(self, manifest: Manifest) -> None:
        try:
            self.api.apply(manifest)
        except AbsentError as error:
            kind = kind_of(manifest)
            raise ClusterError(
                f"The cluster does not know {kind.name} ({kind.api_version}): install what brings it, or change "
                "kubernetes.values"
            ) from error

    def _object(self, kind: ObjectKind, name: str, content: Mapping[str, object]) -> Manifest:
        labels = {"app.kubernetes.io/name": "fc-assets", "app.kubernetes.io/instance": self.settings.project}
        metadata = {"name": name, "namespace": self.cluster.namespace, "labels": labels}
        return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **content}

    def _labels(self, colour: Colour) -> dict[str, str]:
        return {"app.kubernetes.io/instance": self.settings.project, COLOUR_LABEL: colour}

    def _name(self, colour: Colour) -> str:
        return f"{self.settings.project}-{colour}"

    @property
    def _state_name(self) -> str:
        return f"{self.settings.project}-state"
