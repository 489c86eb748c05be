"""The objects of the stand-in cluster, as its API server keeps them: versions, apply, and what is refused."""

from __future__ import annotations

import copy
import itertools
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fc_assets.deployment.targets.api import PLURALS

Object = dict[str, Any]
KINDS = {plural: kind for kind, plural in PLURALS.items()}
GROUPS = {
    "": {"configmaps", "pods", "secrets", "services", "serviceaccounts"},
    "apps": {"deployments"},
    "autoscaling": {"horizontalpodautoscalers"},
    "coordination.k8s.io": {"leases"},
    "discovery.k8s.io": {"endpointslices"},
    "networking.k8s.io": {"ingresses", "networkpolicies"},
    "policy": {"poddisruptionbudgets"},
}
"""What the cluster knows without anything installed into it."""
KEDA = {"keda.sh": {"scaledobjects"}}


class Refused(Exception):
    """An answer that is an error, as a Status object says it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Objects:
    """Everything in one namespace, by plural and name."""

    namespace: str
    version: str
    groups: dict[str, set[str]] = field(default_factory=lambda: dict(GROUPS))
    kept: dict[tuple[str, str], Object] = field(default_factory=dict)
    applied: dict[tuple[str, str], Object] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def knows(self, group: str, plural: str) -> None:
        if plural not in self.groups.get(group, set()):
            raise Refused(404, "the server could not find the requested resource")

    def get(self, plural: str, name: str) -> Object:
        if (plural, name) not in self.kept:
            raise Refused(404, f'{plural} "{name}" not found')
        return self.kept[plural, name]

    def select(self, plural: str, selector: Mapping[str, str]) -> list[Object]:
        return [
            each
            for (kind, _), each in list(self.kept.items())
            if kind == plural and selector.items() <= each["metadata"].get("labels", {}).items()
        ]

    def create(self, plural: str, body: Object) -> Object:
        name = body["metadata"]["name"]
        if (plural, name) in self.kept:
            raise Refused(409, f'{plural} "{name}" already exists')
        return self._put(plural, body, {})

    def replace(self, plural: str, name: str, body: Object) -> Object:
        before = self.get(plural, name)
        if body["metadata"].get("resourceVersion") != before["metadata"]["resourceVersion"]:
            raise Refused(409, f'Operation cannot be fulfilled on {plural} "{name}": the object has been modified')
        return self._put(plural, body, before)

    def apply(self, plural: str, name: str, body: Object, query: Mapping[str, str], content_type: str) -> Object:
        """Server-side apply of one manager: what it no longer names goes, what others own stays."""
        if content_type != "application/apply-patch+yaml":
            raise Refused(415, f"the body of the request was in an unknown format: {content_type}")
        if not query.get("fieldManager"):
            raise Refused(400, "fieldManager is required for apply patch")
        if body["metadata"]["name"] != name:
            raise Refused(400, "the name of the object does not match the name on the URL")
        before = self.kept.get((plural, name), {})
        merged = merge(before, self.applied.get((plural, name), {}), body)
        self.applied[plural, name] = copy.deepcopy(body)
        return self._put(plural, merged, before)

    def _put(self, plural: str, body: Object, before: Object) -> Object:
        self._validate(body)
        if body["kind"] != KINDS[plural] or body["metadata"].get("namespace") != self.namespace:
            raise Refused(400, f"the object is no {plural} of the namespace {self.namespace}")
        changed = body.get("spec") != before.get("spec")
        metadata = {
            **body["metadata"],
            "resourceVersion": str(next(self.numbers)),
            "uid": before.get("metadata", {}).get("uid", f"uid-{next(self.numbers)}"),
            "generation": before.get("metadata", {}).get("generation", 0) + changed,
        }
        kept = {**copy.deepcopy(body), "metadata": metadata}
        if "status" in before:
            kept["status"] = before["status"]
        self.kept[plural, body["metadata"]["name"]] = kept
        return kept

    def _validate(self, body: Object) -> None:
        """By the schemas of the cluster's version, strictly; kinds that are installed into it bring their own."""
        import kubernetes_validate

        bare = json.loads(json.dumps({name: value for name, value in body.items() if name != "status"}))
        try:
            kubernetes_validate.validate(bare, self.version, strict=True)
        except kubernetes_validate.ValidationError as error:
            raise Refused(422, f"{body['kind']} is invalid: {error.message}") from error
        except kubernetes_validate.SchemaNotFoundError:
            return


def merge(existing: Any, applied: Any, wanted: Any) -> Any:
    """`existing` with what `wanted` says, and without what `applied` said before and `wanted` does not."""
    if not (isinstance(existing, dict) and isinstance(wanted, dict)):
        return copy.deepcopy(wanted)
    before = applied if isinstance(applied, dict) else {}
    kept = {name: value for name, value in existing.items() if name in wanted or name not in before}
    return kept | {name: merge(kept.get(name), before.get(name), value) for name, value in wanted.items()}
