"""Receivers of messages on this machine: a webhook and a mail server. Each keeps what it is sent, or refuses it."""

import contextlib
import email
import email.policy
import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "hunter2"
"""In the address of every receiver, as a password or token is in a real one."""


@dataclass(frozen=True)
class Received:
    """One message as its reader sees it. `kind` is what colours it: failure or success; a mail has none."""

    title: str
    text: str
    kind: str = ""


@dataclass
class Receiver:
    """Its address as apprise takes it, and what it has received."""

    url: str
    received: list[Received] = field(default_factory=list)

    def titles(self) -> list[str]:
        """The titles of what came since this was asked last."""
        titles = [message.title for message in self.received]
        self.received.clear()
        return titles


@contextlib.contextmanager
def webhook(status: int = 204, wait: threading.Event | None = None) -> Iterator[Receiver]:
    """A webhook on a free port of 127.0.0.1 that answers with `status`, once `wait` is set."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if wait is not None:
                wait.wait(60)
            if status < 300:
                receiver.received.append(Received(body["title"], body["message"], body["type"]))
            with contextlib.suppress(BrokenPipeError):
                self.send_response(status)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output quiet."""

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        receiver = Receiver(f"json://somebody:{SECRET}@127.0.0.1:{port}/{SECRET}")
        yield receiver


@contextlib.contextmanager
def mail_server(refuses: bool = False) -> Iterator[Receiver]:
    """A mail server on a free port of 127.0.0.1: as much of SMTP as a client needs that has one mail to hand over."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 here")
            while line := self.rfile.readline().decode().strip():
                command = line.split()[0].upper()
                if command in ("EHLO", "HELO"):
                    self._say("250-here\r\n250 AUTH PLAIN")
                elif command == "RCPT" and refuses:
                    self._say("550 nobody of that name")
                elif command == "AUTH":
                    self._say("235 welcome")
                elif command == "DATA":
                    self._say("354 go on")
                    receiver.received.append(_read_mail(self.rfile))
                    self._say("250 taken")
                elif command == "QUIT":
                    self._say("221 good bye")
                    return
                else:
                    self._say("250 well")

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with _serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as port:
        query = "from=dagster@example.org&to=team@example.org"
        receiver = Receiver(f"mailto://somebody:{SECRET}@127.0.0.1:{port}?{query}")
        yield receiver


def _read_mail(lines: Iterator[bytes]) -> Received:
    raw = b""
    for line in lines:
        if line == b".\r\n":
            break
        raw += line.removeprefix(b".") if line.startswith(b"..") else line
    message = email.message_from_bytes(raw, policy=email.policy.default)
    body = message.get_body(("plain", "html"))
    return Received(str(message["Subject"]), body.get_content() if body else "")


@contextlib.contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
