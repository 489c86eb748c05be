"""`fc-assets mcp` against real servers: the official library's, over stdio and HTTP, and the project's own."""

import asyncio
import io
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from fc_assets import cli
from fc_assets.tool_servers.addresses import parse_server
from fc_assets.tool_servers.client import Bounds, connected
from fc_assets_tests.support.mcp_servers import hostile_command, http_server, server_command
from fc_assets_tests.support.scripted_model import calls, scripted_model
from fc_assets_tests.support.tools import WEATHER


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = cli.main(["mcp", "ask", "What about Oslo?", "--json", "--seconds", "120", *arguments])
    return status, json.loads(capsys.readouterr().out)


def ask_two_servers(url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    words = [
        calls(("get_weather", {"city": "Oslo"}), ("delete_note", {"title": "a"}), ("find_a", {"city": "Oslo"})),
        lambda body: f"Read: {body['messages'][2]['content']}",
    ]
    with scripted_model(words) as model:
        servers = ["--server", url, "--server", hostile_command("nice"), "--endpoint", model.url]
        status, found = asked(capsys, *servers)
    assert status == 0 and found["answer"] == "Read: It rains in Oslo for 1 days."
    assert [(call["verdict"], call["failed"]) for call in found["calls"]] == [
        ("valid", False),
        ("a destructive call was not confirmed", True),
        ("a destructive call was not confirmed", True),  # its server says nothing of it: MCP takes that for destructive
    ]


@pytest.mark.slow
def test_a_question_is_answered_with_the_tools_of_servers_over_http_and_stdio(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_server(tmp_path) as url:
        ask_two_servers(url, capsys, monkeypatch)


@pytest.mark.slow
def test_a_question_is_answered_with_the_tools_of_a_server_over_stdio(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_two_servers(server_command(), capsys, monkeypatch)


def test_without_a_working_server_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_model(["?"]) as model:
        assert cli.main(["mcp", "ask", "x", "--server", hostile_command("dies"), "--endpoint", model.url]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: The MCP server") and "no key was given" in printed and printed.count("\n") == 1


def test_a_model_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["mcp", "ask", "x", "--server", "y", "--endpoint", "http://127.0.0.1:9"]) == 1
    assert "No OpenAI-compatible server answers" in capsys.readouterr().err
    assert cli.main(["mcp", "ask", "x", "--server", "y", "--gguf", "/nowhere.gguf"]) == 1
    assert "There is no GGUF file /nowhere.gguf" in capsys.readouterr().err


@pytest.mark.parametrize("bad", [["--turns", "0"], ["--seconds", "-1"], ["--seconds", "nan"], []])
def test_options_that_make_no_sense_are_refused(bad: list[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["mcp", "ask", "x", *(["--server", "y", "--endpoint", "z"] if bad else []), *bad])


@pytest.mark.slow
def test_the_official_client_asks_our_own_server() -> None:
    async def ask(command: str) -> dict[str, Any]:
        async with connected(parse_server(command), Bounds(start_s=120, answer_s=120)) as server:
            assert [tool.name for tool in await server.list_tools()] == ["call_tool"]
            outcome = await server.call("call_tool", {"question": "Oslo?", "tools": [WEATHER]})
            refused = await server.call("call_tool", {"question": "Oslo?", "tools": [{"name": "../x"}]})
            assert refused.failed
            return dict(json.loads(outcome.text))

    with scripted_model([calls(("get_weather", {"city": "Oslo"}))]) as model:
        command = [sys.executable, "-m", "fc_assets.cli", "mcp", "serve", "--endpoint", model.url]
        found = asyncio.run(ask(shlex.join(command)))
    assert found["calls"] == [{"name": "get_weather", "arguments": {"city": "Oslo"}, "verdict": "valid"}]
