"""One HTTP request to a peer that need not be well-behaved: one deadline for all of it, a bound on the answer's size.

urllib's time-out is that of each read, so that a server which sends a byte a second holds a caller of 5 s for as long
as it likes; and what is no HTTP raises `http.client.HTTPException`, which is no OSError. Here the whole request has one
deadline, and whatever a peer does wrong is an OSError. What is asked is the caller's: see `endpoint`.
"""

from __future__ import annotations

import http.client
import io
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import Any

MAX_ANSWER_BYTES = 64 << 20
"""More than any answer that is asked for here has: the largest are a busy server's metrics, some MB."""
_MAX_ERROR_BYTES = 4096
_PIECE_BYTES = 1 << 16


class BadAnswerError(OSError):
    """The peer answered something that is no HTTP, or more than it may."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer of status 2xx."""

    body: bytes
    headers: Message


def request(asked: urllib.request.Request, timeout_s: float) -> HttpAnswer:
    """The answer, had as a whole within `timeout_s` seconds; connecting may take as long once more.

    Raises OSError for whatever a peer does wrong: `urllib.error.HTTPError` for another status, with the beginning of
    the body to be read from it, `TimeoutError`, and `BadAnswerError`.
    """
    try:
        with _OPENER.open(asked, timeout=timeout_s) as answer:
            body = _read(answer, MAX_ANSWER_BYTES + 1)
            headers, missing = answer.headers, answer.length
    except urllib.error.HTTPError as error:
        raise _with_read_body(error) from None
    except (http.client.HTTPException, ValueError) as error:  # ValueError: a status or a length that is no number
        raise BadAnswerError(f"{asked.full_url} answered what is no HTTP ({error!r:.200})") from error
    if len(body) > MAX_ANSWER_BYTES:
        raise BadAnswerError(f"{asked.full_url} answered more than {MAX_ANSWER_BYTES >> 20} MiB")
    if missing:  # reading in pieces, http.client does not say so
        raise BadAnswerError(f"{asked.full_url} broke off its answer {missing} bytes before its end")
    return HttpAnswer(body, headers)


def json_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object in an answer. Raises ValueError where it is none, however deep it nests."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("the answer nests too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"the answer is {type(value).__name__}, not an object")
    return value


def _read(answer: Any, most: int) -> bytes:
    """At most `most` bytes of the body."""
    pieces, left = [], most
    while left and (piece := answer.read(min(left, _PIECE_BYTES))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _with_read_body(error: urllib.error.HTTPError) -> urllib.error.HTTPError:
    """The same error with the beginning of its body in memory: whoever reads it waits for nobody."""
    try:
        body = _read(error, _MAX_ERROR_BYTES)
    except (OSError, http.client.HTTPException, ValueError):
        body = b""
    error.close()
    return urllib.error.HTTPError(error.filename, error.code, error.msg, error.headers, io.BytesIO(body))


class _ReaderWithDeadline(io.RawIOBase):
    """Reads of one socket that all end by the same moment."""

    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer was not whole in time")
        self._sock.settimeout(left)
        found: int | None = self._raw.readinto(buffer)
        return found

    def close(self) -> None:
        self._raw.close()
        super().close()


class _SocketWithDeadline:
    """A socket as `http.client` uses it: what is read from it comes from `_ReaderWithDeadline`."""

    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(_ReaderWithDeadline(self._sock, self._deadline))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        super().connect()
        self.sock: Any = _SocketWithDeadline(self.sock, time.monotonic() + (self.timeout or 0.0))


class _TlsConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock: Any = _SocketWithDeadline(self.sock, time.monotonic() + (self.timeout or 0.0))


class _Handler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _TlsHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_TlsConnection, req)


# No proxy: an endpoint is on this machine, or its address was given on purpose.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Handler, _TlsHandler)
