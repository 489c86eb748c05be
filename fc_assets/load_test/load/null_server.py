"""A server that answers at once with a canned answer: `python -m fc_assets.load_test.load.null_server --chunks 32`.

It costs next to nothing, so what a client measures against it is the client: its floor of latency and its ceiling of
requests a second. It prints its port and serves until it is ended. It speaks just enough HTTP/1.1 for load generators:
one request at a time on a connection, with a Content-Length. The answer is a streamed completion, or with `--whole` a
chat completion in one body, for clients that do not stream.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PROMPT_TOKENS = 1
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)


def _event(payload: bytes) -> bytes:
    data = b"data: " + payload + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


def canned_answer(chunks: int, model: str = "null") -> list[bytes]:
    """The pieces of one answer as a server writes them: head and first token, further tokens, usage, end."""
    common = {"id": "cmpl-null", "object": "text_completion", "created": 0, "model": model}
    empty = {"logprobs": None, "stop_reason": None}

    def token(number: int) -> bytes:
        finish = "length" if number == chunks - 1 else None
        choice = {"index": 0, "text": " token", **empty, "finish_reason": finish}
        return _event(json.dumps({**common, "choices": [choice], "usage": None}).encode())

    usage = {"prompt_tokens": _PROMPT_TOKENS, "total_tokens": _PROMPT_TOKENS + chunks, "completion_tokens": chunks}
    last = _event(json.dumps({**common, "choices": [], "usage": usage}).encode())
    tokens = [token(number) for number in range(chunks)]
    return [_HEAD + tokens[0], *tokens[1:], last + _event(b"[DONE]") + b"0\r\n\r\n"]


def canned_completion(tokens: int, model: str = "null") -> list[bytes]:
    """One answer as a server writes it to a request that does not stream: a single piece."""
    message = {"role": "assistant", "content": " token" * tokens, "tool_calls": []}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None, "stop_reason": None}
    usage = {"prompt_tokens": _PROMPT_TOKENS, "total_tokens": _PROMPT_TOKENS + tokens, "completion_tokens": tokens}
    body = {"id": "chatcmpl-null", "object": "chat.completion", "created": 0, "model": model}
    data = json.dumps({**body, "choices": [choice], "usage": usage}).encode()
    return [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(data), data)]


class NullServer(asyncio.Protocol):
    """One connection. Each piece is written in a turn of the loop of its own, so that a client reads it by itself."""

    def __init__(self, answer: list[bytes]) -> None:
        self._answer = answer
        self._received = b""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = _CONTENT_LENGTH.search(head)
        if len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        if head.startswith(b"POST"):
            self._write(0)
        else:
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    def _write(self, number: int) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(self._answer[number])
        if number + 1 < len(self._answer):
            self._loop.call_soon(self._write, number + 1)


async def _serve(answer: list[bytes]) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: NullServer(answer), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve on any free port of 127.0.0.1 and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m fc_assets.load_test.load.null_server", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--chunks", type=int, default=32, help="events in an answer, one token each (default 32)")
    parser.add_argument("--whole", action="store_true", help="answer with one chat completion of that many tokens")
    options = parser.parse_args()
    if options.chunks < 1:
        sys.exit("--chunks must be at least 1")
    import uvloop

    uvloop.run(_serve((canned_completion if options.whole else canned_answer)(options.chunks)))


if __name__ == "__main__":
    main()
