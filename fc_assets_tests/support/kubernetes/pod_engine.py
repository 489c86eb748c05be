"""What runs in a pod of the stand-in cluster: the init container's own command, then an engine that speaks as vLLM."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class EngineScript:
    """How the engine of a release behaves: whether it comes up at all, is healthy, and answers with valid calls."""

    exit_code: int | None = None
    healthy: bool = True
    arguments: str = '{"city": "Oslo"}'


def fetch(container: Mapping[str, Any], script: str, volumes: Mapping[str, Path]) -> tuple[int, str]:
    """Run the init container's command with its volumes at these folders; return its status and what it printed."""
    folder = volumes["/fetch"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fetch_release.py").write_text(script)

    def mapped(word: str) -> str:
        for mount, place in volumes.items():
            if word.startswith(mount + "/"):
                return str(place) + word.removeprefix(mount)
        return word

    _, *words = [mapped(word) for word in container["command"]]
    volumes["/releases"].mkdir(parents=True, exist_ok=True)
    done = subprocess.run([sys.executable, "-I", *words], capture_output=True, text=True, env={})
    return done.returncode, done.stdout + done.stderr


class Engine(http.server.ThreadingHTTPServer):
    """Listens on a free port; wants the key for everything below /v1, as vLLM does."""

    daemon_threads = True

    def __init__(self, names: list[str], key: str, script: EngineScript) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.names, self.key, self.script = names, key, script
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Engine
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(200 if self.server.script.healthy else 503, {})
        elif self.path == "/metrics":
            self._answer(200, None)
        elif self._may_ask():
            self._answer(200, {"data": [{"id": name} for name in self.server.names]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._may_ask():
            name = body["tools"][0]["function"]["name"]
            call = {"function": {"name": name, "arguments": self.server.script.arguments}}
            self._answer(200, {"choices": [{"message": {"content": None, "tool_calls": [call]}}]})

    def _may_ask(self) -> bool:
        allowed = self.headers.get("Authorization") == f"Bearer {self.server.key}"
        if not allowed:
            self._answer(401, {"error": "Unauthorized"})
        return allowed

    def _answer(self, status: int, content: object) -> None:
        data = json.dumps(content).encode() if content is not None else b"vllm:num_requests_running 0.0\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...
