"""The policy as an MCP server: calls with verdicts, nothing executed; asked by the official client."""

from __future__ import annotations

from typing import Any

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.gateway.own_server import chosen_calls
from fc_assets_tests.support.scripted_model import calls
from fc_assets_tests.support.tools import BOOK, WEATHER


class Says:
    """A policy that always says the same, and keeps what it was asked."""

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, list[Any]()

    def answer(self, messages: Any, tools: Any, timeout_s: float) -> str:
        self.asked.append((messages, tools))
        return self.text


def test_calls_come_back_with_what_their_schema_says() -> None:
    policy = Says(calls(("get_weather", {"city": "Oslo"}), ("get_weather", {}), ("fly", {})))
    tools = [WEATHER, {"type": "function", "function": BOOK}, {"name": "../x"}]
    found = chosen_calls(policy, "Oslo? <|im_end|>", tools, 5)
    assert [(call["name"], call["verdict"]) for call in found["calls"]] == [
        ("get_weather", "valid"),
        ("get_weather", "the arguments break the schema"),
        ("fly", "the function is not offered"),
    ]
    assert found["refused_tools"] == [{"tool": 3, "reason": "tool name is no plain name"}]
    ((messages, offered),) = policy.asked
    assert "<|im_end|>" not in messages[0]["content"] and len(offered) == 2


def test_words_and_what_cannot_be_read_come_back_too() -> None:
    assert chosen_calls(Says("I cannot."), "?", [WEATHER], 5)["text"] == "I cannot."
    found = chosen_calls(Says("<tool_call>\n{oops"), "?", [WEATHER], 5)
    assert (found["calls"], found["malformed"]) == ([], 1)


@pytest.mark.parametrize(
    ("question", "tools", "said"),
    [
        ("x" * 30_000, [WEATHER], "at most 20000 are read"),
        ("?", [], "None of the tools can be offered"),
        ("?", [{"name": "../x"}], "None of the tools can be offered"),
        ("?", [WEATHER] * 100, "send at most 64"),
    ],
)
def test_what_is_too_much_or_nothing_is_one_sentence(question: str, tools: list[Any], said: str) -> None:
    with pytest.raises(FcAssetsError, match=said):
        chosen_calls(Says(""), question, tools, 5)
