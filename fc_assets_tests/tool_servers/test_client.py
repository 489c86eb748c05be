"""MCP servers as clients: listed and called over stdio and HTTP; whatever a hostile one does ends in one sentence."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.tool_servers.addresses import ToolServer, parse_server
from fc_assets.tool_servers.client import Bounds, CallOutcome, Connection, ListedTool, ToolServerError, connected
from fc_assets_tests.support.mcp_servers import hostile_command, http_server, server_command

PATIENT = Bounds(start_s=120, answer_s=120, message_bytes=1 << 20)
"""For what ends by itself, on whatever machine."""


@pytest.fixture(scope="module", params=["stdio", "HTTP"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "stdio":
        yield server_command()
        return
    with http_server(tmp_path_factory.mktemp("mcp")) as url:
        yield url


def listed(address: str, bounds: Bounds = PATIENT) -> list[ListedTool]:
    async def ask() -> list[ListedTool]:
        async with connected(parse_server(address), bounds) as server:
            return await server.list_tools()

    return asyncio.run(ask())


def called(server: ToolServer, tool: str, bounds: Bounds = PATIENT, **arguments: object) -> CallOutcome:
    async def ask() -> CallOutcome:
        async with connected(server, bounds) as connection:
            return await connection.call(tool, arguments)

    return asyncio.run(ask())


@pytest.mark.slow
def test_tools_are_listed_and_called(address: str) -> None:
    async def ask(server: Connection) -> None:
        tools = {tool.name: tool for tool in await server.list_tools()}
        assert tools["get_weather"].definition["inputSchema"]["required"] == ["city"]
        assert tools["delete_note"].destructive and not tools["get_weather"].destructive
        assert (await server.call("get_weather", {"city": "Oslo"})).text == "It rains in Oslo for 1 days."
        failed = await server.call("fail_always", {})
        assert failed.failed
        assert (await server.call("add_numbers", {"a": 1})).failed

    async def run() -> None:
        async with connected(parse_server(address), PATIENT) as server:
            await ask(server)

    asyncio.run(run())


def test_a_call_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(ToolServerError, match="did not answer the call of find_a"):
        called(parse_server(hostile_command("hangs later")), "find_a", Bounds(start_s=120, answer_s=0.3))


def test_an_error_of_the_caller_stays_what_it_is() -> None:
    async def run() -> None:
        async with connected(parse_server(hostile_command("nice")), PATIENT):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("dies", "could not be connected: .*it printed last: no key was given"),
        ("hangs", "could not be connected: it was not ready within 1.5 s"),
        ("garbage", "could not be connected"),
        ("endless line", "could not be connected"),
        ("huge", "lists more than 256 tools"),
        ("endless pages", "lists its tools on endless pages"),
    ],
)
def test_a_hostile_server_is_one_sentence(mode: str, said: str) -> None:
    with pytest.raises(ToolServerError, match=said) as caught:
        listed(hostile_command(mode), Bounds(start_s=1.5) if mode == "hangs" else PATIENT)
    assert "\n" not in str(caught.value)


def test_an_answer_that_is_too_large_ends_the_connection() -> None:
    with pytest.raises(ToolServerError, match="did not answer the call of find_a"):
        called(parse_server(hostile_command("large")), "find_a")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://127.0.0.1:9/mcp", "could not be connected"),
        ("no-such-command --at-all", "cannot start no-such-command"),
    ],
)
def test_a_server_that_is_not_there(text: str, said: str) -> None:
    with pytest.raises(ToolServerError, match=said):
        listed(text)


@pytest.mark.parametrize("text", ["", "ftp://example.org/x", "http://", "server 'half"])
def test_what_names_no_server_is_said(text: str) -> None:
    with pytest.raises(FcAssetsError):
        parse_server(text)


def test_a_password_is_in_no_message() -> None:
    assert parse_server("https://me:secret@example.org/mcp").name == "https://example.org/mcp"


def test_a_server_sees_only_the_variables_that_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "42")
    server = hostile_command("nice")
    assert called(parse_server(server), "find_a", variable="MY_SECRET").text == "none"
    assert called(parse_server(server, ("MY_SECRET",)), "find_a", variable="MY_SECRET").text == "42"
    with pytest.raises(FcAssetsError, match=r"asks for \$NOT_SET, which is not set"):
        called(parse_server(server, ("NOT_SET",)), "find_a")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ids(file: Path) -> list[int]:
    for _ in range(200):
        if file.is_file() and len(found := file.read_text().split()) == 2:
            return [int(pid) for pid in found]
        time.sleep(0.05)
    raise AssertionError("the server did not start")


@pytest.mark.parametrize("mode", ["nice", "stays", "hangs"])
def test_no_process_of_a_server_outlives_its_connection(mode: str, tmp_path: Path) -> None:
    try:
        listed(hostile_command(mode, tmp_path / "ids"), Bounds(start_s=3) if mode == "hangs" else PATIENT)
    except ToolServerError:
        assert mode == "hangs"
    assert [pid for pid in ids(tmp_path / "ids") if alive(pid)] == []


def test_no_process_of_a_server_outlives_a_kill_of_ours(tmp_path: Path) -> None:
    command = hostile_command("stays", tmp_path / "ids")

    async def hold() -> None:
        async with connected(parse_server(command), Bounds()):
            os._exit(9)

    child = os.fork()
    if child == 0:
        asyncio.run(hold())
    os.waitpid(child, 0)
    pids, deadline = ids(tmp_path / "ids"), time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in pids if alive(pid)] == []
