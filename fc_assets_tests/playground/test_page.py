"""What the page's script is answered, and requests that are not the person's own."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.playground.engines import lineup
from fc_assets.playground.page import build_app
from fc_assets.profiles import Profile
from fc_assets_tests.support.evaluation_world import TOOLS

Client = TestClient[Any, Any]
QUESTION = {"player": "sft", "question": "Please lift 5.", "tools": json.dumps(TOOLS)}


@pytest.fixture
def page(store: ArtifactStore, profile: Profile, tmp_path: Path) -> Callable[[Callable[[Client], Awaitable[Any]]], Any]:
    """Runs what a test does with a client of the page, whose models are ready."""
    found = lineup(store, profile)
    report = tmp_path / "report.html"
    report.write_text("<p>all rows</p>")

    async def with_client(does: Callable[[Client], Awaitable[Any]]) -> Any:
        found.start()
        async with TestClient(TestServer(build_app(found, [{"id": "1"}], report), host="127.0.0.1")) as client:
            while any(each["state"] in ("waiting", "starting") for each in await _json(client, "/api/state")):
                await asyncio.sleep(0.01)
            return await does(client)

    def run(does: Callable[[Client], Awaitable[Any]]) -> Any:
        try:
            return asyncio.run(with_client(does))
        finally:
            found.stop()

    return run


async def _json(client: Client, path: str) -> Any:
    async with client.get(path) as response:
        return await response.json()


def asked(page: Any, question: Mapping[str, object]) -> tuple[int, Any]:
    async def ask(client: Client) -> tuple[int, Any]:
        async with client.post("/api/ask", json=question) as response:
            return response.status, await response.json()

    return page(ask)


def test_an_answer_is_shown_with_its_verdict(page: Any) -> None:
    expected = json.dumps([{"name": "lift", "arguments": {"n": 5}}])
    status, found = asked(page, {**QUESTION, "expected": expected})
    assert status == 200 and found["verdicts"]["exact"] is True
    assert found["calls"][0]["arguments"] == {"n": 5} and found["output_tokens"] == 5


def test_your_own_question_has_no_right_answer(page: Any) -> None:
    status, found = asked(page, QUESTION)
    assert status == 200 and set(found["verdicts"]) == {"parses", "names", "schema", "runs"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"url": "ls -l"}, "'ls -l' is no address of an MCP server"),
        ({"address": "http://127.0.0.1:9"}, "The question cannot be read"),
    ],
)
def test_an_mcp_server_that_cannot_be_asked_is_said(page: Any, body: Mapping[str, str], said: str) -> None:
    async def ask(client: Client) -> tuple[int, Any]:
        async with client.post("/api/mcp", json=body) as response:
            return response.status, await response.json()

    status, found = page(ask)
    assert status == 400 and found["error"].startswith(said)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tools": "[{"}, "the tools must be JSON"),
        ({"question": ""}, "The question cannot be read: question: String should have at least 1 character"),
        ({"expected": "[3]"}, "an expected call must be"),
        ({"surprise": 1}, "The question cannot be read: surprise"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_in_a_sentence(
    page: Any, change: Mapping[str, object], said: str
) -> None:
    status, found = asked(page, {**QUESTION, **change})
    assert status == 400 and found["error"].startswith(said)


def test_a_model_that_is_not_ready_does_not_make_the_question_wrong(page: Any) -> None:
    assert asked(page, {**QUESTION, "player": "gguf"}) == (
        502,
        {"error": "GGUF is not ready to answer; wait until its column says so"},
    )


def test_another_sites_form_cannot_ask(page: Any) -> None:
    async def send(client: Client) -> list[int]:
        found = []
        for path, body in (("/api/ask", QUESTION), ("/api/mcp", {"url": "http://127.0.0.1:9/mcp"})):
            async with client.post(path, data=json.dumps(body), headers={"Content-Type": "text/plain"}) as response:
                found.append(response.status)
        return found

    assert page(send) == [415, 415]


def test_another_name_for_this_address_is_refused(page: Any) -> None:
    async def look(client: Client) -> list[int]:
        found = []
        for host in ("evil.example", "127.0.0.1:7860", "localhost:7860"):
            async with client.get("/api/examples", headers={"Host": host}) as response:
                found.append(response.status)
        return found

    assert page(look) == [403, 200, 200]


def test_the_page_asks_nobody_but_this_address_and_shows_the_report(page: Any) -> None:
    async def look(client: Client) -> tuple[str, str, Mapping[str, str]]:
        async with client.get("/") as response, client.get("/report") as report:
            return await response.text(), await report.text(), dict(response.headers)

    text, report, headers = page(look)
    assert "connect-src &#39;self&#39;" in text and "default-src &#39;none&#39;" in text
    assert re.findall(r"""(?:src|href|action)=["']http""", text) == []
    assert report == "<p>all rows</p>" and headers["X-Frame-Options"] == "DENY"
