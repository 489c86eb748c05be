"""A port on this machine that leads to a pod: a request reaches an engine that is published nowhere.

As `kubectl port-forward` does, through the API server, with the right to `pods/portforward` and no other way in. Which
pod it is, is asked anew for each connection.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable
from typing import Any

from fc_assets.deployment.engine import ENGINE_PORT
from fc_assets.deployment.targets.api import ClusterApi
from fc_assets.errors import FcAssetsError

IDLE_SECONDS = 300.0
_CHUNK = 1 << 16


class Tunnel(socketserver.ThreadingTCPServer):
    """Listens on a free port of 127.0.0.1 until nobody has asked for `IDLE_SECONDS`; `find_pod` names the pod.

    It ends by itself because a sensor looks every half minute, for months, in one process. A connection is closed at
    once where `find_pod` gives an empty name, or the cluster refuses.
    """

    daemon_threads = True

    def __init__(self, api: ClusterApi, find_pod: Callable[[], str]) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarding)
        self.api = api
        self.find_pod = find_pod
        self.expired = False
        self.timeout = IDLE_SECONDS
        threading.Thread(target=self._serve, name="tunnel", daemon=True).start()

    def handle_timeout(self) -> None:
        """Nobody has asked for so long."""
        self.expired = True

    def _serve(self) -> None:
        with self:
            while not self.expired:
                self.handle_request()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Forwarding(socketserver.BaseRequestHandler):
    server: Tunnel

    def handle(self) -> None:
        from kubernetes import client, stream

        api = self.server.api
        try:
            pod = self.server.find_pod()
        except FcAssetsError:
            return  # who asked sees a closed connection: there is nobody to speak to
        if not pod:
            return
        # A client of its own: the library changes it while the stream is opened.
        core = client.CoreV1Api(client.ApiClient(api.configuration))
        try:
            forward = stream.portforward(
                core.connect_get_namespaced_pod_portforward, pod, api.namespace, ports=str(ENGINE_PORT)
            )
        except client.ApiException:
            return
        far = forward.socket(ENGINE_PORT)
        up = threading.Thread(target=_pump, args=(self.request, far), daemon=True)
        up.start()
        _pump(far, self.request)
        forward.close()


def _pump(source: Any, sink: Any) -> None:
    """Pass on what one end says until it has said everything, or the other has gone."""
    try:
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    except OSError:
        return
    finally:
        _close_writing(sink)


def _close_writing(end: Any) -> None:
    try:
        end.shutdown(socket.SHUT_WR)
    except OSError:
        return
