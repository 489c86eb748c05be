"""A server that does exactly what its script says, on a thread for each connection so that its delays are exact.

The scripts of the tests and of `benchmarks/measurement_error` are lists of actions. What was really sent when is
recorded, so that a measurement can be held against the fact and not against the intention of a busy machine.
"""

from __future__ import annotations

import json
import socketserver
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True)
class Wait:
    """Do nothing until `seconds` after the previous action was due."""

    seconds: float


@dataclass(frozen=True)
class Send:
    """Send these bytes; `output` says whether they carry output of the model."""

    data: bytes
    output: bool = False


@dataclass(frozen=True)
class HangUp:
    """Close the connection as it is."""


Action = Wait | Send | HangUp
Script = Callable[[Mapping[str, Any]], Sequence[Action]]


@dataclass
class Exchange:
    """One request as the server saw it, `time.perf_counter()` seconds."""

    path: str
    body: Mapping[str, Any]
    received: float
    outputs: list[float] = field(default_factory=list)
    ended: float = 0.0


def event(payload: object) -> bytes:
    """One server-sent event."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return f"data: {text}\n\n".encode()


def token(text: str = " x") -> dict[str, Any]:
    """The payload of an event with output, as /v1/completions streams it."""
    return {"choices": [{"index": 0, "text": text, "finish_reason": None}]}


def usage(prompt_tokens: int, output_tokens: int) -> dict[str, Any]:
    """The payload of the event that tells the counts."""
    return {"choices": [], "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": output_tokens}}


def answer(
    body: Mapping[str, Any], *, first_s: float = 0.0, gap_s: float = 0.0, tokens_per_event: int = 1
) -> list[Action]:
    """A whole answer of `max_tokens` tokens: the first after `first_s`, then an event every `gap_s`."""
    prompt = body.get("prompt")
    count = int(body["max_tokens"])
    actions: list[Action] = [Send(HEAD), Wait(first_s)]
    for number in range(0, count, tokens_per_event):
        if number:
            actions.append(Wait(gap_s))
        actions.append(Send(event(token(" x" * min(tokens_per_event, count - number))), output=True))
    prompt_tokens = len(prompt) if isinstance(prompt, list) else 1
    return [*actions, Send(event(usage(prompt_tokens, count))), Send(event("[DONE]"))]


class ScriptedServer:
    """`with ScriptedServer(script) as server`: POSTs are answered by `script(body)`, GETs by `gets[path]`."""

    def __init__(self, script: Script, gets: Mapping[str, str] | None = None) -> None:
        self.script = script
        self.gets = {"/v1/models": '{"data": [{"id": "m"}]}', **(gets or {})}
        self.exchanges: list[Exchange] = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self) -> None:
                outer._handle(self)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 256

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ScriptedServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening; connections that are open are left to their threads."""
        self._server.shutdown()
        self._server.server_close()

    def _handle(self, handler: socketserver.StreamRequestHandler) -> None:
        method, path, _ = handler.rfile.readline().decode().split(" ", 2)
        length = 0
        while (line := handler.rfile.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = handler.rfile.read(length)
        exchange = Exchange(path, json.loads(body) if body else {}, time.perf_counter())
        if method == "GET":
            text = self.gets.get(path)
            status = "200 OK" if text is not None else "404 Not Found"
            reply = f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {len(text or '')}\r\n\r\n{text or ''}"
            handler.wfile.write(reply.encode())
            return
        self.exchanges.append(exchange)
        due = exchange.received
        try:
            for action in self.script(exchange.body):
                if isinstance(action, Wait):
                    due += action.seconds
                    time.sleep(max(0.0, due - time.perf_counter()))
                elif isinstance(action, Send):
                    handler.wfile.write(action.data)
                    if action.output:
                        exchange.outputs.append(time.perf_counter())
                else:
                    break
        except OSError:
            pass  # the client went away first, as some tests want
        exchange.ended = time.perf_counter()
