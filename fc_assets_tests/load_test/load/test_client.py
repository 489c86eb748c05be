"""A request against a scripted server: the times are the script's, tokens come from usage, failures have their kind."""

import asyncio
import statistics
import time
from collections.abc import Sequence

import orjson
import pytest

from fc_assets.load_test.load import client
from fc_assets.load_test.load.client import Client, Reply, Request
from fc_assets.serving.endpoint import Endpoint
from fc_assets_tests.support.scripted_server import (
    HEAD,
    Action,
    HangUp,
    ScriptedServer,
    Send,
    Wait,
    answer,
    event,
    token,
    usage,
)

PROMPT = [1, 2, 3, 4]


def ask(
    server: ScriptedServer | str, *, tokens: int = 4, timeout_s: float = 10.0, path: str = "/v1/completions"
) -> Reply:
    url = server if isinstance(server, str) else server.url
    body = orjson.dumps({"prompt": PROMPT, "max_tokens": tokens})

    async def once() -> Reply:
        async with Client(Endpoint(url, "m", "secret"), timeout_s=timeout_s) as client:
            return await client.send(Request(path, body, len(PROMPT), tokens))

    return asyncio.run(once())


def reply_to(*actions: Action) -> Reply:
    with ScriptedServer(lambda _: actions) as server:
        return ask(server)


def assert_close(measured: Sequence[float], sent: Sequence[float]) -> None:
    """The client cannot see an event before it is sent, and must see it soon after: at once as a rule, and within
    50 ms however busy the machine is.
    """
    assert len(measured) == len(sent)
    for seen, fact in zip(measured, sent, strict=True):
        assert fact - 0.002 <= seen <= fact + 0.05
    assert statistics.median(seen - fact for seen, fact in zip(measured, sent, strict=True)) < 0.01


def test_arrivals_are_when_the_server_sent() -> None:
    with ScriptedServer(lambda body: answer(body, first_s=0.12, gap_s=0.03)) as server:
        reply = ask(server, tokens=6)
    (fact,) = server.exchanges
    assert reply.failure == ""
    assert_close(reply.arrivals, fact.outputs)
    assert reply.arrivals[0] - reply.sent >= 0.12
    assert reply.ended >= reply.arrivals[-1]


def test_tokens_are_counted_by_usage_when_events_merge() -> None:
    with ScriptedServer(lambda body: answer(body, tokens_per_event=5, gap_s=0.01)) as server:
        reply = ask(server, tokens=12)
    assert (reply.failure, reply.output_tokens, reply.prompt_tokens, len(reply.arrivals)) == ("", 12, 4, 3)


def test_events_in_one_packet_are_all_counted() -> None:
    packet = HEAD + event(token()) * 4 + event(usage(4, 4)) + event("[DONE]")
    reply = reply_to(Send(packet))
    assert (reply.failure, len(reply.arrivals)) == ("", 4)


def test_a_slow_start_is_in_the_first_token_alone() -> None:
    with ScriptedServer(lambda body: answer(body, first_s=0.3, gap_s=0.02)) as server:
        reply = ask(server, tokens=5)
    assert reply.arrivals[0] - reply.sent >= 0.3
    assert reply.arrivals[-1] - reply.arrivals[0] < 0.2


CALLS = [{"index": 0}, {"index": "0"}]
COUNTS = {"prompt_tokens": 4, "completion_tokens": -1}
WHOLE = [Send(event(token())) for _ in range(4)]


@pytest.mark.parametrize(
    ("actions", "failure"),
    [
        ([Send(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n")], "http_500"),
        ([Send(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n")], "http_429"),
        ([HangUp()], "disconnected"),
        ([Send(HEAD.replace(b"connection: close", b"content-length: 9999")), *WHOLE, HangUp()], "disconnected"),
        ([Send(HEAD), *WHOLE, HangUp()], "cut_short"),
        ([Send(HEAD), *WHOLE, Send(event("[DONE]"))], "no_usage"),
        ([Send(HEAD), *WHOLE, Send(event(usage(5, 4))), Send(event("[DONE]"))], "prompt_length"),
        ([Send(HEAD), *WHOLE, Send(event(usage(4, 3))), Send(event("[DONE]"))], "output_length"),
        ([Send(HEAD), Send(event({"error": {"message": "out of memory"}}))], "server_error"),
        ([Send(HEAD), Send(event("{not json"))], "malformed"),
        ([Send(HEAD), Send(event("[" * 50_000))], "malformed"),
        ([Send(HEAD), Send(event("7"))], "malformed"),
        ([Send(HEAD), Send(event({"choices": [{"delta": {"tool_calls": CALLS}}]}))], "malformed"),
        *[
            ([Send(HEAD), *WHOLE, Send(event({"choices": [], "usage": counts})), Send(event("[DONE]"))], "no_usage")
            for counts in ({"total": 4}, {"prompt_tokens": "4", "completion_tokens": 4}, [4, 4], "4", COUNTS)
        ],
        ([Send(HEAD), Send(event({"choices": "?"}))], "malformed"),
    ],
)
def test_each_failure_has_its_kind(actions: list[Action], failure: str) -> None:
    assert reply_to(*actions).failure == failure


def test_an_answer_without_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER_BYTES", 10_000)
    assert reply_to(Send(HEAD), *WHOLE, *[Send(event(token("x" * 5000)))] * 5, HangUp()).failure == "malformed"


def test_an_answer_that_takes_too_long_is_a_timeout() -> None:
    with ScriptedServer(lambda _: [Send(HEAD), Wait(5)]) as server:
        began = time.perf_counter()
        assert ask(server, timeout_s=0.3).failure == "timeout"
        assert time.perf_counter() - began < 2


def test_nobody_listening_is_a_failed_connect() -> None:
    with ScriptedServer(answer) as server:
        url = server.url
    assert ask(url).failure == "connect"


def test_a_chat_with_tool_calls_is_put_together() -> None:
    def delta(**fields: object) -> bytes:
        return event({"choices": [{"index": 0, "delta": fields, "finish_reason": None}]})

    def call(index: int, **function: str) -> bytes:
        return delta(tool_calls=[{"index": index, "function": function}])

    end = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    reply = reply_to(
        Send(HEAD + delta(role="assistant", content="")),
        Wait(0.05),
        Send(call(0, name="add", arguments="")),
        Send(call(0, arguments='{"a": ')),
        Send(call(1, name="sub", arguments="{}")),
        Send(call(0, arguments="1}")),
        Send(end + event(usage(4, 4)) + event("[DONE]")),
    )
    assert reply.failure == ""
    assert reply.tool_calls == [{"name": "add", "arguments": '{"a": 1}'}, {"name": "sub", "arguments": "{}"}]
    assert len(reply.arrivals) == 5  # the opening event only names the role
    assert reply.arrivals[0] - reply.sent >= 0.05
