"""A cluster's API server, through the official client: apply, read, delete; each refusal as one sentence.

Every object of the chart is a plain dictionary here, so one method serves all kinds. What is applied when belongs to
`cluster`. The client is the extra `kubernetes`, and is imported when a cluster is first spoken to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from fc_assets.deployment.kubernetes.helm import Manifest
from fc_assets.errors import FcAssetsError

FIELD_MANAGER = "fc-assets"
NO_CLIENT = "The Python package kubernetes is not installed: pip install 'fc-assets[kubernetes]'"
KUBECONFIG_VARIABLE = "KUBECONFIG"
REQUEST_TIMEOUT_S = 30
PLURALS = {
    "ConfigMap": "configmaps",
    "Deployment": "deployments",
    "EndpointSlice": "endpointslices",
    "HTTPRoute": "httproutes",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "Ingress": "ingresses",
    "Lease": "leases",
    "NetworkPolicy": "networkpolicies",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "ScaledObject": "scaledobjects",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
}
"""The kinds that the chart renders and a deployment reads, as they are spelt in paths."""

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_REFUSED = (401, 403)
_NOT_FOUND, _CONFLICT = 404, 409


class ClusterError(FcAssetsError):
    """The cluster refuses, does not answer, or does not do what it was asked to."""


class AbsentError(ClusterError):
    """There is no such object, or the cluster does not know its kind."""


class ConflictError(ClusterError):
    """The object is there already, or was changed meanwhile."""


@dataclass(frozen=True)
class ObjectKind:
    """A kind of object: its API version, such as apps/v1, and its name, such as Deployment."""

    api_version: str
    name: str


POD, SECRET, CONFIG_MAP, SERVICE = (ObjectKind("v1", name) for name in ("Pod", "Secret", "ConfigMap", "Service"))
DEPLOYMENT = ObjectKind("apps/v1", "Deployment")
LEASE = ObjectKind("coordination.k8s.io/v1", "Lease")
ENDPOINT_SLICE = ObjectKind("discovery.k8s.io/v1", "EndpointSlice")


def kind_of(manifest: Manifest) -> ObjectKind:
    """The kind of an object."""
    return ObjectKind(manifest["apiVersion"], manifest["kind"])


@dataclass(frozen=True)
class ClusterApi:
    """One namespace of one cluster. `context` is a kubeconfig's; empty for the current one, in a pod its account."""

    context: str
    namespace: str

    @cached_property
    def configuration(self) -> Any:
        """The client's configuration: address, certificates, credentials. Raises `ClusterError`."""
        client, config = _library()
        found, file = client.Configuration(), os.environ.get(KUBECONFIG_VARIABLE)
        try:
            if not self.context and file is None and _SERVICE_ACCOUNT.is_file():
                config.load_incluster_config(client_configuration=found)
            else:
                config.load_kube_config(file, self.context or None, found)
        except config.ConfigException as error:
            raise ClusterError(
                f"No cluster is configured on this machine: {error}; set {KUBECONFIG_VARIABLE}, or kubernetes.context "
                "to one of its contexts"
            ) from error
        found.retries = False
        return found

    @cached_property
    def _client(self) -> Any:
        client, _ = _library()
        return client.ApiClient(self.configuration)

    def version(self) -> str:
        """The server's version, such as v1.34.1. Raises `ClusterError` where none answers."""
        return str(self._call("GET", "/version", {})["gitVersion"])

    def get(self, kind: ObjectKind, name: str) -> Manifest | None:
        """The object of that name, or None."""
        try:
            return self._call("GET", self._path(kind, name), {})
        except AbsentError:
            return None

    def list(self, kind: ObjectKind, labels: Mapping[str, str]) -> list[Manifest]:
        """Every object of a kind with these labels; none where the cluster does not know the kind."""
        try:
            found = self._call("GET", self._path(kind), {"labelSelector": _selector(labels)})
        except AbsentError:
            return []
        return list(found["items"])

    def create(self, manifest: Manifest) -> Manifest:
        """Make an object. Raises `ConflictError` where it is there already."""
        return self._call("POST", self._path(kind_of(manifest)), {}, manifest)

    def replace(self, manifest: Manifest) -> Manifest:
        """Put an object in the place of the one that was read. Raises `ConflictError` where that has changed since."""
        return self._call("PUT", self._path(kind_of(manifest), manifest["metadata"]["name"]), {}, manifest)

    def apply(self, manifest: Manifest) -> Manifest:
        """Make the object what the manifest says, on the server's side: fields that others own stay theirs."""
        path = self._path(kind_of(manifest), manifest["metadata"]["name"])
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return self._call("PATCH", path, query, manifest, "application/apply-patch+yaml")

    def delete(self, kind: ObjectKind, name: str) -> None:
        """Delete an object and, first, what it owns; nothing happens where there is none."""
        try:
            self._call("DELETE", self._path(kind, name), {"propagationPolicy": "Foreground"})
        except AbsentError:
            return

    def log_tail(self, pod: str, container: str, lines: int) -> str:
        """The last lines that a container of a pod printed; empty where it has printed nothing yet."""
        path = f"{self._path(POD, pod)}/log"
        try:
            return self._send("GET", path, {"container": container, "tailLines": str(lines)}).decode("utf-8", "replace")
        except ClusterError:
            return ""

    def _path(self, kind: ObjectKind, name: str = "") -> str:
        base = f"/apis/{kind.api_version}" if "/" in kind.api_version else f"/api/{kind.api_version}"
        path = f"{base}/namespaces/{self.namespace}/{PLURALS[kind.name]}"
        return f"{path}/{name}" if name else path

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        answer: Manifest = json.loads(self._send(method, path, query, body, content_type))
        return answer

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        client, _ = _library()
        from urllib3.exceptions import HTTPError  # comes with it

        try:
            answer = self._client.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _return_http_data_only=True,
                _request_timeout=REQUEST_TIMEOUT_S,
            )
        except client.ApiException as error:
            raise _refusal(error.status, error.body or error.reason, self.namespace) from error
        except (HTTPError, OSError) as error:
            address = self.configuration.host
            raise ClusterError(f"The API server at {address} does not answer ({error}): is the cluster up?") from error
        return bytes(answer.data)


def _library() -> tuple[Any, Any]:
    """The official client's modules `client` and `config`. Raises `ClusterError` where it is not installed."""
    try:
        from kubernetes import client, config
    except ImportError:
        raise ClusterError(NO_CLIENT) from None
    return client, config


def _refusal(status: int, body: Any, namespace: str) -> ClusterError:
    """The error for an answer that is none; Kubernetes says the reason in a Status object."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text.strip()[:300]
    if status in _REFUSED and "exceeded quota" not in message:
        return ClusterError(f"The cluster refuses: {message}; docs/kubernetes.md has the Role that a deployment needs")
    if status == _NOT_FOUND and message.startswith("namespaces "):
        return ClusterError(f"The cluster has no namespace {namespace}: create it, or set kubernetes.namespace")
    if status == _NOT_FOUND:
        return AbsentError(f"The cluster does not have it: {message}")
    if status == _CONFLICT:
        return ConflictError(f"The cluster has changed meanwhile: {message}")
    return ClusterError(f"The cluster refuses ({status}): {message}")


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items())
