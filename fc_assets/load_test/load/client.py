"""One streamed request to an OpenAI-compatible server, timed. How many run, and when, is decided in `generator`.

Times are `time.perf_counter()` seconds. Events are only cut apart while they arrive and parsed after the last one, so
that parsing does not delay the clock of other requests in the same loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from yarl import URL

from fc_assets.load_test.load.sse import EventReader, EventTooLargeError
from fc_assets.serving.endpoint import Endpoint

KEEP_ALIVE_SECONDS = 4.0
"""Less than the 5 s after which vLLM (uvicorn) closes an idle connection; else a request meets a closed one."""

CONNECT_SECONDS = 10.0
_COUNTS = ("prompt_tokens", "completion_tokens")
MAX_ANSWER_BYTES = 256 << 20
"""More than any answer's events have: the server is broken or hostile."""

CANCELLED = "cancelled"
"""The kind of failure of a request that the client gave up on purpose: it is no error of the server."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request ready to send: `body` is JSON. The expected counts are checked against `usage`; 0 checks nothing.

    The client hangs up after `cancel_after_events` events or `cancel_after_s` seconds, whichever comes first; 0: never.
    """

    path: str
    body: bytes
    prompt_tokens: int = 0
    output_tokens: int = 0
    cancel_after_events: int = 0
    cancel_after_s: float = 0.0


@dataclass(slots=True)
class Reply:
    """What came back, and when. `failure` is empty for a whole answer, else its kind.

    `arrivals` has one time for each event that carried output. Tokens are counted by the server's `usage`, never by
    events, which hold several tokens under load. Kinds of failure: `connect`, `disconnected`, `timeout`,
    `http_<status>`, `server_error` (an error inside the stream), `malformed`, `cut_short` (no `[DONE]`), `no_usage`,
    `prompt_length`, `output_length`, and `cancelled` where the request itself asked for that. `text` and `tool_calls`
    are what a chat answered.
    """

    sent: float
    ended: float = 0.0
    arrivals: list[float] = field(default_factory=list)
    prompt_tokens: int = 0
    output_tokens: int = 0
    failure: str = ""
    text: str = ""
    tool_calls: list[dict[str, str]] = field(default_factory=list)


class Client:
    """A session with one server, for use as an async context manager.

    `under_way` requests have no whole answer yet; `heard` is when the server last sent something, or was first asked.
    """

    def __init__(self, endpoint: Endpoint, *, timeout_s: float) -> None:
        self.endpoint, self.timeout_s = endpoint, timeout_s
        self.under_way, self.heard = 0, 0.0
        self._base = endpoint.base_url
        self._headers = {"Content-Type": "application/json", **endpoint.headers}
        self._urls: dict[str, URL] = {}
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Client:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
            timeout=aiohttp.ClientTimeout(total=self.timeout_s, sock_connect=CONNECT_SECONDS),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, request: Request) -> Reply:
        """Send one request and read its answer to the end. A failure of the server is a `Reply` too, never raised."""
        clock = time.perf_counter
        events: list[tuple[float, bytes]] = []
        reply, received_bytes = Reply(sent=clock()), 0
        patience = asyncio.timeout(request.cancel_after_s or None)
        if not self.under_way:
            self.heard = reply.sent
        self.under_way += 1
        try:
            url = self._urls.get(request.path) or self._urls.setdefault(request.path, URL(self._base + request.path))
            async with patience, self._session.post(url, data=request.body) as response:
                if response.status != 200:
                    reply.failure = f"http_{response.status}"
                else:
                    reader, content = EventReader(), response.content
                    while received := await content.readany():
                        now = self.heard = clock()
                        received_bytes += len(received)
                        if received_bytes > MAX_ANSWER_BYTES:
                            raise EventTooLargeError(f"The server sent more than {MAX_ANSWER_BYTES} bytes")
                        for data in reader.feed(received):
                            events.append((now, data))
                        if 0 < request.cancel_after_events <= len(events):
                            reply.failure = CANCELLED
                            response.close()
                            break
        except TimeoutError:
            reply.failure = CANCELLED if patience.expired() else "timeout"
        except aiohttp.ClientConnectorError:
            reply.failure = "connect"
        except aiohttp.ClientError:
            reply.failure = "disconnected"
        except EventTooLargeError:
            reply.failure = "malformed"
        finally:
            self.under_way -= 1
        reply.ended = clock()
        _read_events(events, reply)
        if not reply.failure:
            reply.failure = _length_failure(request, reply)
        return reply

    async def get(self, path: str) -> str:
        """The body of a GET. Raises `aiohttp.ClientError` or `TimeoutError`."""
        async with self._session.get(self._base + path, raise_for_status=True) as response:
            return await response.text()


def _length_failure(request: Request, reply: Reply) -> str:
    if request.prompt_tokens and reply.prompt_tokens != request.prompt_tokens:
        return "prompt_length"
    if request.output_tokens and reply.output_tokens != request.output_tokens:
        return "output_length"
    return ""


def _read_events(events: list[tuple[float, bytes]], reply: Reply) -> None:
    """Fill `reply` from its events. Keeps a failure that the transport has already met."""
    done = bool(events) and events[-1][1] == b"[DONE]"
    if done:
        events.pop()
    usage: object = None
    calls: dict[int, dict[str, str]] = {}
    words: list[str] = []
    try:
        # One parse for all: a call for each event would cost more than the parsing.
        payloads = orjson.loads(b"[%s]" % b",".join([data for _, data in events]))
        for (when, _), payload in zip(events, payloads, strict=True):
            if "error" in payload:
                reply.failure = reply.failure or "server_error"
                return
            usage = payload.get("usage") or usage
            for choice in payload["choices"]:
                if _carries_output(choice):
                    reply.arrivals.append(when)
                if "delta" in choice:
                    words.append(choice["delta"].get("content") or "")
                    _collect_calls(choice["delta"], calls)
        reply.tool_calls = [calls[index] for index in sorted(calls)]
        reply.text = "".join(words)
    except (ValueError, KeyError, TypeError, AttributeError):
        reply.failure = reply.failure or "malformed"
        return
    counts: list[Any] = [usage.get(name) for name in _COUNTS] if isinstance(usage, dict) else []
    counted = bool(counts) and all(isinstance(count, int) and 0 <= count <= MAX_ANSWER_BYTES for count in counts)
    if counted:
        reply.prompt_tokens, reply.output_tokens = counts
    if not reply.failure and not done:
        reply.failure = "cut_short"
    if not reply.failure and not counted:
        reply.failure = "no_usage"


def _carries_output(choice: Mapping[str, Any]) -> bool:
    """Whether the event has something that the model wrote: all have but a chat's first one, which names the role."""
    if "text" in choice:
        return True
    delta = choice.get("delta") or {}
    return bool(
        choice.get("finish_reason")
        or delta.get("content")
        or delta.get("tool_calls")
        or delta.get("reasoning")
        or delta.get("reasoning_content")
    )


def _collect_calls(delta: Mapping[str, Any], calls: dict[int, dict[str, str]]) -> None:
    """Add a chat event's pieces of tool calls to the calls so far, by their index."""
    for part in delta.get("tool_calls") or ():
        call = calls.setdefault(part["index"], {"name": "", "arguments": ""})
        function = part.get("function") or {}
        call["name"] += function.get("name") or ""
        call["arguments"] += function.get("arguments") or ""
