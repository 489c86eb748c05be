"""The API server of the stand-in cluster: who may do what, which requests it takes, and the way into a pod.

It enforces `deploy/k8s/deployer.yaml`, the Role that a deployment is given, word by word.
"""

from __future__ import annotations

import http.server
import json
import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml

from fc_assets_tests.support.kubernetes import websocket
from fc_assets_tests.support.kubernetes.controllers import Controllers, Hardware
from fc_assets_tests.support.kubernetes.objects import Object, Objects, Refused

ROLE = Path(__file__).parents[3] / "deploy" / "k8s" / "deployer.yaml"
TOKEN = "token-of-the-deployer"
USER = "system:serviceaccount:fc-assets:deployer"
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
PATH = re.compile(
    r"^/(?:api/v1|apis/(?P<group>[^/]+)/(?P<version>v\w+))/namespaces/(?P<namespace>[^/]+)/(?P<plural>[^/]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<sub>\w+))?$"
)


class StandIn(http.server.ThreadingHTTPServer):
    """One cluster with one namespace. `rules` are those of the Role, and may be changed by a test."""

    daemon_threads = True

    def __init__(self, folder: Path, namespace: str, version: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects = Objects(namespace, version)
        self.hardware = Hardware()
        self.controllers = Controllers(self.objects, self.hardware, folder)
        self.rules: list[dict[str, list[str]]] = yaml.safe_load(ROLE.read_text())["rules"]
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(yaml.safe_dump(self._kubeconfig(namespace)))

    def _kubeconfig(self, namespace: str) -> Object:
        address = f"http://127.0.0.1:{self.server_port}"
        context = {"cluster": "stand-in", "user": "deployer", "namespace": namespace}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "stand-in", "cluster": {"server": address}}],
            "users": [{"name": "deployer", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": context}],
        }

    def allows(self, group: str, resource: str, verb: str, name: str) -> bool:
        return any(
            group in rule["apiGroups"]
            and resource in rule["resources"]
            and verb in rule["verbs"]
            and name in rule.get("resourceNames", [name])
            for rule in self.rules
        )


@contextmanager
def stand_in(folder: Path, namespace: str = "fc-assets", version: str = "1.34") -> Iterator[StandIn]:
    """A cluster for as long as the block lasts."""
    with StandIn(folder, namespace, version) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
            server.controllers.close()
            assert server.controllers.errors == []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: StandIn
    disable_nagle_algorithm = True  # else each answer waits for an acknowledgement
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        address = urlsplit(self.path)
        try:
            answer = self._answer(address.path, dict(parse_qsl(address.query)), body)
        except Refused as error:
            answer = {"kind": "Status", "status": "Failure", "code": error.status, "message": str(error)}
            self._send(error.status, json.dumps(answer).encode())
        else:
            if answer is not None:
                self._send(200, answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _answer(self, path: str, query: Mapping[str, str], body: Object) -> Object | bytes | None:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "Unauthorized")
        if path == "/version":
            return {"gitVersion": f"v{self.server.objects.version}.0"}
        if self.server.controllers.errors:
            raise Refused(500, f"a controller has ended: {self.server.controllers.errors[0]!r}")
        found = PATH.match(path)
        if not found:
            raise Refused(404, "the server could not find the requested resource")
        group, plural, name, sub = found["group"] or "", found["plural"], found["name"] or "", found["sub"] or ""
        verb = VERBS.get(self.command, "get" if name else "list")
        resource = f"{plural}/{sub}" if sub else plural
        if not self.server.allows(group, resource, verb, name):
            where = f'in API group "{group}" in the namespace "{found["namespace"]}"'
            raise Refused(403, f'User "{USER}" cannot {verb} resource "{resource}" {where}')
        objects = self.server.objects
        objects.knows(group, plural)
        if found["namespace"] != objects.namespace:
            raise Refused(404, f'namespaces "{found["namespace"]}" not found')
        with objects.lock:
            if sub == "log":
                return self.server.controllers.logs.get((name, query["container"]), "").encode()
            if not sub:
                return self._of_objects(verb, group, plural, name, query, body)
        self._forward(name)
        return None

    def _of_objects(
        self, verb: str, group: str, plural: str, name: str, query: Mapping[str, str], body: Object
    ) -> Object:
        objects = self.server.objects
        if verb == "list":
            selector = dict(part.split("=") for part in query.get("labelSelector", "").split(",") if part)
            if plural == "endpointslices":
                service = objects.kept.get(("services", selector["kubernetes.io/service-name"]))
                return {"items": self.server.controllers.endpoints(service) if service else []}
            return {"items": objects.select(plural, selector)}
        if verb == "create":
            return objects.create(plural, body)
        if verb == "update":
            return objects.replace(plural, name, body)
        if verb == "patch":
            if (plural, name) not in objects.kept and not self.server.allows(group, plural, "create", name):
                raise Refused(403, f'User "{USER}" cannot create resource "{plural}" in API group "{group}"')
            return objects.apply(plural, name, body, query, self.headers["Content-Type"])
        if verb == "delete":
            self.server.controllers.delete(plural, name)
            return {"kind": "Status", "status": "Success"}
        return objects.get(plural, name)

    def _forward(self, pod: str) -> None:
        """The v4.channel.k8s.io protocol: channel 0 is data, channel 1 errors; each begins with the port."""
        engine = self.server.controllers.engines.get(pod)
        if engine is None:
            raise Refused(500, f"unable to forward port because pod {pod} is not running")
        websocket.accept(self, "v4.channel.k8s.io")
        self.close_connection = True
        for channel in (0, 1):
            websocket.send(self.wfile, bytes([channel]) + struct.pack("<H", 8000))
        with socket.create_connection(("127.0.0.1", engine.server_port)) as near:
            threading.Thread(target=self._back, args=(near,), daemon=True).start()
            for frame in websocket.frames(self.rfile):
                if frame[0] == 0:
                    near.sendall(frame[1:])

    def _back(self, near: socket.socket) -> None:
        try:
            while data := near.recv(1 << 16):
                websocket.send(self.wfile, b"\0" + data)
            websocket.close(self.wfile)
        except (OSError, ValueError):  # the client has gone, and with it the connection
            return

    def _send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None: ...
