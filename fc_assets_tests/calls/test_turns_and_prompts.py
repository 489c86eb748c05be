"""Conversations as turns, and the one renderer."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fc_assets.calls.call import Call, calls_from_json, calls_to_json
from fc_assets.calls.conversations import Turn, turns_of
from fc_assets.calls.parse import parse_strict
from fc_assets.calls.prompts import THINK_OFF, answer_text, messages, render_prompt, wrap_tools
from fc_assets.calls.tools.forms import tools_from_json
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.errors import FcAssetsError
from fc_assets_tests.support.tools import PING, TOOLS, weather

F = Call("f", {"a": "\u00e9"})


def conversation(turns: list[dict[str, str]], system: str = "") -> list[Turn]:
    return list(turns_of({"id": "7", "conversations": turns, "system": system}))


def test_every_expected_turn_of_a_conversation_is_judged() -> None:
    turns = conversation(
        [
            {"from": "human", "value": "first"},
            {"from": "function_call", "value": '{"name": "f", "arguments": {"a": "\u00e9"}}'},
            {"from": "observation", "value": "result"},
            {"from": "function_call", "value": '[{"name": "g", "arguments": {}}, {"name": "g", "arguments": {}}]'},
            {"from": "observation", "value": "more"},
            {"from": "gpt", "value": "All done."},
            {"from": "human", "value": "thanks"},
            {"from": "gpt", "value": "You are welcome."},
        ],
        system="Be brief.",
    )
    assert [turn.id for turn in turns] == ["7#0", "7#1", "7#2"]
    assert [len(turn.calls) for turn in turns] == [1, 2, 0]
    assert [turn.context for turn in turns] == ["first", "first\nresult", "first\nresult\nmore\nthanks"]
    assert [message["role"] for message in turns[1].messages] == ["system", "user", "assistant", "tool"]


def test_a_single_turn_keeps_the_row_id() -> None:
    (turn,) = conversation([{"from": "human", "value": "hi"}, {"from": "gpt", "value": "Hello."}])
    assert (turn.id, turn.calls, turn.messages) == ("7", (), ({"role": "user", "content": "hi"},))


@pytest.mark.parametrize(
    "turns",
    [
        [{"from": "robot", "value": "x"}],
        [{"from": "function_call", "value": "{"}],
        [{"from": "function_call", "value": "{}"}],
    ],
)
def test_a_broken_conversation_names_its_row(turns: list[dict[str, str]]) -> None:
    with pytest.raises(FcAssetsError, match="row 7"):
        conversation(turns)


def test_calls_and_tools_to_text_and_back() -> None:
    assert calls_from_json(calls_to_json([F, F])) == (F, F)
    assert calls_from_json('{"name": "f", "arguments": {"a": "\u00e9"}}') == (F,)
    assert answer_text([F]) == '<tool_call>\n{"name": "f", "arguments": {"a": "\u00e9"}}\n</tool_call>'
    assert parse_strict(THINK_OFF + answer_text([F, F])).calls == (F, F)
    assert tools_from_json('[{"type": "function", "function": {"name": "f"}}]') == [{"name": "f"}]
    assert wrap_tools([PING]) == [{"type": "function", "function": PING}]
    assert messages("hi", "be brief")[0] == {"role": "system", "content": "be brief"}
    with pytest.raises(FcAssetsError):
        tools_from_json('{"name": "f"}')


def test_tools_of_an_mcp_server_are_functions() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    listed = [{"name": "weather", "title": "Weather", "description": "Of a city.", "inputSchema": schema}]
    function = {"name": "weather", "description": "Of a city.", "parameters": schema}
    assert tools_from_json(json.dumps(listed)) == tools_from_json(json.dumps({"tools": listed})) == [function]
    assert compile_tools(json.dumps(listed)).validates(Call("weather", {"city": "Rome"}))
    assert not compile_tools(json.dumps(listed)).validates(Call("weather", {}))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """A tokenizer that carries Qwen3's chat template as trl ships it."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    (package,) = find_spec("trl").submodule_search_locations  # found, not imported: trl takes many seconds
    template = (Path(package) / "chat_templates" / "qwen3.jinja").read_text()
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), chat_template=template)


def test_training_and_serving_prompts_are_the_same_text(tokenizer: Any) -> None:
    asked = messages("Caf\u00e9?", system="Be brief.")
    training, serving = (render_prompt(tokenizer, asked, TOOLS, thinking_off=off) for off in (False, True))
    assert training.endswith("<|im_start|>assistant\n")
    assert serving == training + THINK_OFF
    assert '{"type": "function", "function": {"name": "get_weather"' in training and "Caf\u00e9?" in training
    assert "<tools>" not in render_prompt(tokenizer, asked, [], thinking_off=True)


def test_answers_are_written_as_the_template_writes_them(tokenizer: Any) -> None:
    calls = [{"type": "function", "function": call.as_dict()} for call in (F, weather("Paris", days=2))]
    asked = messages("hi")
    whole = [*asked, {"role": "assistant", "content": "", "tool_calls": calls}]
    rendered = tokenizer.apply_chat_template(whole, tools=wrap_tools(TOOLS), tokenize=False)
    answer = answer_text([F, weather("Paris", days=2)])
    assert rendered == render_prompt(tokenizer, asked, TOOLS, thinking_off=True) + answer + "<|im_end|>\n"


def test_importing_the_package_stays_cheap() -> None:
    heavy = ("scipy", "numpy", "pandas", "jsonschema_rs", "torch", "transformers")
    code = f"import sys, fc_assets.calls; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
