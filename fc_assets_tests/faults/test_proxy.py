"""The real nginx with the rendered configuration, before an engine that writes down what reaches it."""

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from fc_assets.deployment import proxy
from fc_assets.deployment.engine import ENGINE_PORT

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
HALF_OPEN = 1500
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed on this machine")


@dataclass
class Site:
    """The proxy's port, the users' key, and the request lines that the engine has seen."""

    port: int
    key: str
    seen: list[bytes] = field(default_factory=list)

    def ask(self, path: str) -> bytes:
        """The answer's first line to a request for that path, sent as it is."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as client:
            headers = f"Host: x\r\nConnection: close\r\nAuthorization: Bearer {self.key}"
            client.sendall(f"GET {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
            with client.makefile("rb") as stream:
                return stream.readline()


def serve(server: socket.socket, seen: list[bytes]) -> None:
    with contextlib.suppress(OSError):  # closed at the end
        while True:
            client, _ = server.accept()
            with client:
                seen.append(client.recv(65536))
                client.sendall(ANSWER)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("proxy")
    folder.chmod(0o755)
    proxy.ensure_keys(folder / "secrets")
    found = Site(free_port(), (folder / "secrets" / "api_key").read_text().strip())
    with socket.create_server(("127.0.0.1", 0)) as engine:
        threading.Thread(target=serve, args=(engine, found.seen), daemon=True).start()
        config = proxy.render_config()
        for before, after in {
            "/tmp/": f"{folder}/",  # before the folder, which lies there, is in the text
            "/srv/proxy": str(folder),
            "/run/secrets": str(folder / "secrets"),
            f"listen {proxy.PROXY_PORT}": f"listen 127.0.0.1:{found.port}",
            f":{ENGINE_PORT}/": f":{engine.getsockname()[1]}/",
            "vllm-$1": "127.0.0.1",
            "worker_processes auto": "worker_processes 1",  # as on the smallest machine
        }.items():
            assert before in config
            config = config.replace(before, after)
        (folder / "active.conf").write_text(proxy.render_active("blue", "a" * 64).replace("vllm-blue", "127.0.0.1"))
        (folder / "nginx.conf").write_text(f"user root;\n{config}")
        command = [str(NGINX), "-g", "daemon off;", "-c", str(folder / "nginx.conf")]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as nginx:
            try:
                wait_for(found.port)
                yield found
            finally:
                nginx.terminate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError("nginx did not start")


def test_listed_paths_reach_the_engine_with_their_query_and_without_the_key(site: Site) -> None:
    site.seen.clear()
    assert b" 200 " in site.ask("/v1/models?limit=1%0a2")
    (request,) = site.seen
    assert request.startswith(b"GET /v1/models?limit=1%0a2 HTTP/1.1\r\n")
    assert site.key.encode() not in request


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models%0a",
        "/v1/chat/completions%0A",
        "/v1/models%0d%0aX-Forged:%20yes",
        "/v1/models%00",
        "/v1/models/",
        "/v1/models%2f..%2f..%2fmetrics",
        "/-/blue/metrics%0a",
        "/tokenize",
        "/metrics",
    ],
)
def test_no_other_path_reaches_it_whatever_it_ends_with(site: Site, path: str) -> None:
    site.seen.clear()
    first = site.ask(path)
    assert b" 404 " in first or b" 400 " in first
    assert site.seen == []


def test_half_open_connections_deny_nobody(site: Site) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(HALF_OPEN):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", site.port), timeout=5))
            client.sendall(b"GET /v1/mod")
        began = time.monotonic()
        assert b" 200 " in site.ask("/v1/models")
        assert time.monotonic() - began < 2
