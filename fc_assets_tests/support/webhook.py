"""A webhook on this machine: it keeps what is posted to it."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

Body = dict[str, str]


@dataclass
class Webhook:
    """Its address, with a secret as real ones have, and the bodies received so far."""

    url: str
    bodies: list[Body] = field(default_factory=list)

    def events(self) -> list[str]:
        """What has happened since this was asked last."""
        events = [body["event"] for body in self.bodies]
        self.bodies.clear()
        return events


@contextlib.contextmanager
def receiving() -> Iterator[Webhook]:
    """A webhook on a free port of 127.0.0.1 until the block is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            webhook.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        webhook = Webhook(f"http://127.0.0.1:{server.server_port}/secret")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield webhook
        finally:
            server.shutdown()
            thread.join()
