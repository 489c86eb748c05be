"""A server that answers each connection with bytes of its own, HTTP or not."""

from __future__ import annotations

import contextlib
import socketserver
import threading
import time
from collections.abc import Iterable, Iterator


@contextlib.contextmanager
def raw_server(pieces: Iterable[bytes], pause_s: float = 0.0) -> Iterator[str]:
    """The address of a server that reads a request's head and sends the pieces, with a pause before each."""
    sent = tuple(pieces)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            with contextlib.suppress(OSError):
                for piece in sent:
                    time.sleep(pause_s)
                    self.wfile.write(piece)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
