"""Notifications reach a real HTTP server, never raise, and never show the address."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from fc_assets.release.notify import WEBHOOK_VARIABLE, notify


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    bodies: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv(WEBHOOK_VARIABLE, f"http://127.0.0.1:{server.server_port}/secret")
        yield bodies
        server.shutdown()
        thread.join()


def test_an_event_is_posted(received: list[dict[str, str]]) -> None:
    assert notify("rolled back", "release abc", "the canary questions failed") == ""
    assert received == [
        {
            "text": "fc_assets: rolled back: release abc\nthe canary questions failed",
            "event": "rolled back",
            "subject": "release abc",
            "detail": "the canary questions failed",
        }
    ]


def test_without_an_address_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)
    assert notify("promoted", "release abc") == ""


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/secret", "not an address"])
def test_a_failure_is_told_without_the_address(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv(WEBHOOK_VARIABLE, address)
    said = notify("deployed", "release abc")
    assert WEBHOOK_VARIABLE in said
    assert address not in said
