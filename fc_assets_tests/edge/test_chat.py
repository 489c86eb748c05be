"""A conversation in the terminal: calls are shown, answered by the world or a stub, and remembered in their form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fc_assets import cli
from fc_assets.calls.call import Call, Tool
from fc_assets.calls.prompts import answer_text
from fc_assets.edge.chat import MAX_STEPS, Chat
from fc_assets.edge.cli import print_answers
from fc_assets.edge.conversion.checkpoint import read_checkpoint
from fc_assets.edge.conversion.writer import write_gguf
from fc_assets.edge.jobs import Completion
from fc_assets.foundation.presentation.terminal import console
from fc_assets_tests.edge.conftest import TOOLS

TIMER = {
    "name": "start_timer",
    "description": "Start a timer.",
    "parameters": {
        "type": "object",
        "properties": {"minutes": {"type": "integer"}, "label": {"type": "string", "default": "timer"}},
        "required": ["minutes"],
    },
}


class _Scripted:
    """A model that gives these answers one after the other, and then the last again."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)
        self.asked: list[list[Mapping[str, Any]]] = []

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool]) -> str:
        self.asked.append(list(messages))
        return "a prompt"

    def answer(self, prompt: str, max_tokens: int) -> Completion:
        text = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return Completion(
            text=text, prompt_tokens=9, output_tokens=5, first_token_s=0.1, seconds=0.5, finish_reason="stop"
        )


def test_calls_are_answered_and_remembered_until_there_are_words() -> None:
    calls = Call("start_timer", {"minutes": 5}), Call("get_weather", {"city": "Bern"}), Call("unknown", {})
    model = _Scripted(answer_text(calls), "Done.")
    chat = Chat(model, [TIMER, *TOOLS], max_tokens=64)
    (first, results), (last, none) = chat.say("Five minutes, and Bern?")
    assert (first.calls, first.tokens_per_second) == (calls, pytest.approx(10))
    assert (last.text, none) == ("Done.", [])
    assert results[0]["minutes"] == 5 and "error" not in results[0], "the world ran it"
    assert results[1] == {"name": "get_weather", "arguments": {"city": "Bern"}}, "its stub echoed it"
    assert results[2] == {"error": "no such function"}
    asked = model.asked[1]
    assert [message["role"] for message in asked] == ["user", "assistant", "tool", "tool", "tool"]
    assert [call["id"] for call in asked[1]["tool_calls"]] == [message["tool_call_id"] for message in asked[2:]]


def test_a_stub_refuses_in_words_and_endless_calls_end() -> None:
    chat = Chat(_Scripted(answer_text([Call("get_weather", {"city": 7})])), TOOLS, max_tokens=64)
    said = list(chat.say("Weather?"))
    assert len(said) == MAX_STEPS
    assert said[0][1] == [{"error": "get_weather: city must be string"}]


def test_what_a_file_says_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    chat = Chat(_Scripted("\x1b]0;mine\x07 words"), TOOLS, max_tokens=64)
    print_answers(chat, "Weather?", console())
    assert "\\x1b]0;mine\\x07 words" in capsys.readouterr().out


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, checkpoint_folder: Path) -> Path:
    out = tmp_path_factory.mktemp("chat") / "policy-Q8_0.gguf"
    write_gguf(read_checkpoint(checkpoint_folder), out, "Q8_0", name="tiny", source_digest="d")
    return out


def test_a_file_is_asked_on_the_command_line(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tools.json").write_text(json.dumps({"tools": TOOLS}), encoding="utf-8")
    words = ["--tools", str(tmp_path / "tools.json"), "--threads", "1", "--max-tokens", "4", "--context", "512"]
    assert cli.main(["chat", str(file), *words, "--ask", "Bern?"]) == 0
    assert "4 tokens, first after" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.gguf", None, "missing.gguf cannot be read (No such file or directory); name a GGUF file"),
        ("text.gguf", b"once upon", "text.gguf is no GGUF file"),
        ("cut.gguf", b"GGUF\x03\x00\x00\x00\xff", "llama.cpp could not load"),
    ],
)
def test_a_file_that_cannot_be_asked_is_one_sentence(
    name: str, content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert cli.main(["chat", str(tmp_path / name), "--ask", "hi"]) == 1
    assert said in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("text", ['{"no": "list"}', "[1]", "no JSON"])
def test_tools_that_are_none_are_named(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tools.json").write_text(text, encoding="utf-8")
    assert cli.main(["chat", "a.gguf", "--tools", str(tmp_path / "tools.json")]) == 1
    assert f"error: {tmp_path / 'tools.json'}: " in capsys.readouterr().err
