"""A server that does exactly what its script says, on a thread for each connection so that its delays are exact.

The scripts of the tests and of `benchmarks/measurement_error` are lists of actions. What was really sent when is
recorded, so that a measurement is compared with what happened and not with what a busy machine was meant to do.
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
"""Begins an answer that ends with its connection."""

CHUNKED_HEAD = HEAD.replace(b"connection: close", b"transfer-encoding: chunked")
"""Begins an answer whose connection is used again, after `LAST_CHUNK`."""

LAST_CHUNK = b"0\r\n\r\n"


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
Got = str | int | Callable[[], str | int]
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


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of an answer that began with `CHUNKED_HEAD`."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def token(text: str = " x") -> dict[str, Any]:
    """The payload of an event with output, as /v1/completions streams it."""
    return {"choices": [{"index": 0, "text": text, "finish_reason": None}]}


def usage(prompt_tokens: int, output_tokens: int) -> dict[str, Any]:
    """The payload of the event that tells the counts."""
    return {"choices": [], "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": output_tokens}}


def answer(
    body: Mapping[str, Any], *, first_s: float = 0.0, gap_s: float = 0.0, tokens_per_event: int = 1
) -> list[Action]:
    """A whole answer of `max_tokens` tokens: the first after `first_s`, then an event every `gap_s`.

    Its connection is kept, as vLLM keeps it. Its last action sends the end: without it the answer is cut off.
    """
    prompt = body.get("prompt")
    count = int(body["max_tokens"])
    actions: list[Action] = [Send(CHUNKED_HEAD), Wait(first_s)]
    for number in range(0, count, tokens_per_event):
        if number:
            actions.append(Wait(gap_s))
        text = " x" * min(tokens_per_event, count - number)
        actions.append(Send(chunk(event(token(text))), output=True))
    prompt_tokens = len(prompt) if isinstance(prompt, list) else 1
    return [*actions, Send(chunk(event(usage(prompt_tokens, count)) + event("[DONE]")) + LAST_CHUNK)]


def call_answer(name: str, arguments: str, *, prompt_tokens: int = 1, first_s: float = 0.0) -> list[Action]:
    """A whole chat answer of one tool call, its arguments in a piece for each character, as if each were a token."""

    def delta(**told: object) -> Send:
        return Send(chunk(event({"choices": [{"index": 0, "delta": told, "finish_reason": None}]})), output=True)

    pieces = [delta(tool_calls=[{"index": 0, "function": {"arguments": piece}}]) for piece in arguments]
    end = chunk(event(usage(prompt_tokens, 1 + len(arguments))) + event("[DONE]")) + LAST_CHUNK
    named = delta(tool_calls=[{"index": 0, "function": {"name": name}}])
    return [Send(CHUNKED_HEAD), Wait(first_s), named, *pieces, Send(end)]


class ScriptedServer:
    """`with ScriptedServer(script) as server`: POSTs are answered by `script(body)`, GETs by `gets[path]`.

    A function in `gets` is called for each answer; a number is a status without a body.
    """

    def __init__(self, script: Script, gets: Mapping[str, Got] | None = None) -> None:
        self.script = script
        self.gets: dict[str, Got] = {"/v1/models": '{"data": [{"id": "m"}]}', **(gets or {})}
        self.exchanges: list[Exchange] = []
        self._stopped = False
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self) -> None:
                while outer._answer_one(self):
                    pass

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
        """Stop listening, and answer nothing more on the connections that are open."""
        self._stopped = True
        self._server.shutdown()
        self._server.server_close()

    def _answer_one(self, handler: socketserver.StreamRequestHandler) -> bool:
        """Answer the next request of a connection; False when the connection is to be closed."""
        request = handler.rfile.readline().decode().split(" ")
        if len(request) < 2:
            return False  # the client has closed it
        method, path = request[:2]
        length = 0
        while (line := handler.rfile.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = handler.rfile.read(length)
        exchange = Exchange(path, json.loads(body) if body else {}, time.perf_counter())
        if method == "GET":
            found = self.gets.get(path)
            said = found() if callable(found) else 404 if found is None else found
            status, text = (said, "") if isinstance(said, int) else (200, said)
            reply = f"HTTP/1.1 {status} S\r\nconnection: close\r\ncontent-length: {len(text)}\r\n\r\n{text}"
            handler.wfile.write(reply.encode())
            return False
        self.exchanges.append(exchange)
        due, sent = exchange.received, b""
        try:
            for action in self.script(exchange.body):
                if self._stopped:
                    return False
                if isinstance(action, Wait):
                    due += action.seconds
                    time.sleep(max(0.0, due - time.perf_counter()))
                elif isinstance(action, Send):
                    sent = action.data
                    handler.wfile.write(sent)
                    if action.output:
                        exchange.outputs.append(time.perf_counter())
                else:
                    break
        except OSError:
            sent = b""  # the client went away first, as some tests want
        exchange.ended = time.perf_counter()
        return sent.endswith(LAST_CHUNK)
