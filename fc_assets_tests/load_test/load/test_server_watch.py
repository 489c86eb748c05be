"""A load ends within seconds of its server, and says when the server is silent."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from fc_assets.load_test.load import server_watch
from fc_assets.load_test.load.client import Client
from fc_assets.load_test.load.generator import Load, LoadResult, drive
from fc_assets.load_test.load.server_watch import ServerGoneError, while_it_serves
from fc_assets.load_test.load.workload import token_prompts
from fc_assets.serving.endpoint import Endpoint
from fc_assets_tests.support.scripted_server import CHUNKED_HEAD, Action, ScriptedServer, Send, Wait, answer

Say = Callable[[str], None]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_watch, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(server_watch, "REFUSED_S", 0.2)
    monkeypatch.setattr(server_watch, "SILENT_S", 0.2)


def hangs(_: Mapping[str, Any]) -> Sequence[Action]:
    return [Send(CHUNKED_HEAD), Wait(20)]


def load(endpoint: Endpoint, say: Say) -> LoadResult:
    async def run() -> LoadResult:
        async with Client(endpoint, timeout_s=20) as client:
            loading = drive(client, Load(4, warmup=0, concurrency=2), token_prompts("m", 4, (3,), seed=1))
            return await while_it_serves(client, loading, say)

    return asyncio.run(run())


def test_a_load_on_a_server_that_serves_is_as_it_was() -> None:
    with ScriptedServer(answer) as server:
        result = load(Endpoint(server.url, "m"), print)
    assert not any(sample.reply.failure for sample in result.samples)


def test_a_server_that_shuts_down_and_keeps_its_connections_ends_the_load() -> None:
    """As one that is sent INT while it answers: it takes nothing new, and never ends what it has begun."""
    with ScriptedServer(hangs) as server:
        threading.Timer(0.1, server.stop).start()
        began = time.monotonic()
        with pytest.raises(ServerGoneError, match=r"refused every connection for 0\.2 s: it is shutting down, or gone"):
            load(Endpoint(server.url, "m"), print)
        assert time.monotonic() - began < 5
        server.stop = lambda: None  # it has stopped already


def test_a_server_whose_process_has_ended_ends_the_load() -> None:
    """Though something still listens on its port."""
    with ScriptedServer(hangs) as server:
        began = time.monotonic()
        endpoint = Endpoint(server.url, "m", ended=lambda: "It ended" if time.monotonic() > began + 0.2 else "")
        with pytest.raises(ServerGoneError, match="It ended"):
            load(endpoint, print)
        assert time.monotonic() - began < 5


def test_silence_is_said_once_in_a_while() -> None:
    said: list[str] = []
    with ScriptedServer(lambda body: answer(body, first_s=0.5)) as server:
        load(Endpoint(server.url, "m"), said.append)
    assert 2 <= len(said) <= 8
    assert said[0].endswith("2 requests are under way; each is given up 20 s after it was sent")
