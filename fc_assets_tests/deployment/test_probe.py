"""Probing an engine: which release it says it serves, and what counts as a valid answer to a canary question."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from fc_assets.deployment.engine import release_name
from fc_assets.deployment.probe import (
    CanaryResult,
    ProbeError,
    ask_canaries,
    healthy,
    require_canaries,
    require_release,
    require_speed,
)
from fc_assets.serving.endpoint import Endpoint
from fc_assets_tests.support.lineage import TOOLS
from fc_assets_tests.support.scripted_server import Action, ScriptedServer, Send

RELEASE = "a" * 64
CANARY = {"id": "row-0", "messages": [{"role": "user", "content": "Weather in Oslo?"}], "tools": TOOLS}


def call(name: str, arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"function": {"name": name, "arguments": arguments}}]}


def reply(content: object, status: str = "200 OK") -> list[Action]:
    data = json.dumps(content).encode()
    return [Send(f"HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)]


def asked(content: object, status: str = "200 OK") -> tuple[CanaryResult, Mapping[str, Any]]:
    """The result of one canary question that is answered like this, and the body that was sent."""
    with ScriptedServer(lambda body: reply(content, status)) as server:
        (result,) = ask_canaries(Endpoint(server.url, "fc-policy", "key"), [CANARY], max_tokens=32)
        return result, server.exchanges[0].body


def test_a_call_that_fits_its_schema_is_valid_and_was_asked_for_as_a_naive_client_does() -> None:
    result, body = asked({"choices": [{"message": call("get_weather", '{"city": "Oslo"}')}]})
    assert (result.id, result.valid, result.problem) == ("row-0", True, "")
    assert body == {
        "model": "fc-policy",
        "messages": CANARY["messages"],
        "tools": [{"type": "function", "function": tool} for tool in TOOLS],
        "max_tokens": 32,
    }


@pytest.mark.parametrize(
    "shown",
    [
        {"content": "<think>\n\n</think>\n\n"},
        {"content": "<think>\nOslo is a city"},
        {"content": "Oslo is a city</think>"},
        {"content": None, "reasoning": "Oslo is a city"},
    ],
)
def test_an_answer_that_thinks_is_no_valid_one_even_with_the_right_call(shown: dict[str, Any]) -> None:
    result, _ = asked({"choices": [{"message": {**call("get_weather", '{"city": "Oslo"}'), **shown}}]})
    assert not result.valid
    assert "it thinks" in result.problem
    assert """--default-chat-template-kwargs '{"enable_thinking": false}'""" in result.problem


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"content": "Sunny"}, "no tool call, but the text 'Sunny'"),
        (call("get_weather", "{}"), "does not fit the schema"),
        (call("get_weather", '["Oslo"]'), "does not fit the schema"),
        (call("no_such_tool", "{}"), "does not fit the schema"),
        (call("get_weather", "{"), "no usable answer"),
    ],
)
def test_any_other_answer_says_what_is_wrong_with_it(message: dict[str, Any], said: str) -> None:
    result, _ = asked({"choices": [{"message": message}]})
    assert not result.valid
    assert said in result.problem


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        ({"error": "too long"}, "400 Bad Request", "status 400: "),
        ({"choices": []}, "200 OK", "no usable answer"),
        ([1], "200 OK", "no usable answer"),
    ],
)
def test_a_refusal_or_an_answer_of_another_form_is_no_valid_one(content: object, status: str, said: str) -> None:
    result, _ = asked(content, status)
    assert not result.valid
    assert result.problem.startswith(said)


def test_an_engine_must_name_the_release_and_the_stable_name() -> None:
    def models(*names: str) -> dict[str, str]:
        return {"/v1/models": json.dumps({"data": [{"id": name} for name in names]}), "/health": ""}

    with ScriptedServer(lambda body: [], models("fc-policy", release_name("fc-policy", RELEASE))) as server:
        endpoint = Endpoint(server.url, "fc-policy")
        assert healthy(endpoint)
        require_release(endpoint, RELEASE)
        with pytest.raises(ProbeError, match=f"but not fc-policy-{'b' * 16}"):
            require_release(endpoint, "b" * 64)
    assert not healthy(endpoint)
    with pytest.raises(ProbeError, match="/v1/models cannot be had"):
        require_release(endpoint, RELEASE)


def test_enough_answers_must_be_valid_and_all_in_time() -> None:
    results = [CanaryResult("a", True, 0.2, ""), CanaryResult("b", False, 1.5, "no tool call")]
    assert require_canaries(results, 0.5) == 0.5
    with pytest.raises(ProbeError, match=r"1 of 2 canary questions .* 80% are wanted .* b: no tool call"):
        require_canaries(results, 0.8)
    assert require_speed(results, 2.0) == 1.5
    with pytest.raises(ProbeError, match=r"took 1\.50 s, 1 s are allowed"):
        require_speed(results, 1.0)
