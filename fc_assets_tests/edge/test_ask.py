"""A file is asked in one call, and llama.cpp's own server reads the same calls out of its answers as we do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fc_assets.calls.call import Call
from fc_assets.calls.parse import parse_strict
from fc_assets.calls.prompts import messages
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.edge.ask import ask
from fc_assets.edge.conversion.checkpoint import read_checkpoint
from fc_assets.edge.conversion.writer import write_gguf
from fc_assets.edge.measurement.llama_model import LlamaModel
from fc_assets.serving.chat import chat_request
from fc_assets_tests.support import speaking

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, checkpoint_folder: Path, tokenizer: Any) -> LlamaModel:
    folder = tmp_path_factory.mktemp("speaking")
    trained = speaking.train(checkpoint_folder, tokenizer, folder / "model")
    write_gguf(read_checkpoint(trained), folder / "policy-F16.gguf", "F16", name="speaking", source_digest="d")
    return LlamaModel(folder / "policy-F16.gguf", context=1024, threads=1)


@pytest.mark.parametrize(("query", "tools", "answer"), speaking.EXAMPLES)
def test_an_answer_is_text_calls_and_cost(model: LlamaModel, query: str, tools: Any, answer: str) -> None:
    reply = ask(model, messages(query), tools)
    assert reply.text == answer
    assert (reply.calls, reply.malformed, reply.cut) == (speaking.CALLS[query], 0, False)
    assert 0 < reply.first_token_s < reply.seconds
    assert reply.tokens_per_second is not None and reply.tokens_per_second > 0
    cut = ask(model, messages(query), tools, max_tokens=3)
    assert cut.cut and not cut.calls and cut.output_tokens == 3


@pytest.mark.parametrize(("query", "tools", "answer"), speaking.EXAMPLES)
def test_the_servers_stream_has_the_calls_that_we_read(model: LlamaModel, query: str, tools: Any, answer: str) -> None:
    request = chat_request("m", messages(query), tools, max_tokens=200, tool_choice="auto")
    chunks = model.stream({**request, "parallel_tool_calls": True})
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert len(deltas) > 4
    made: dict[int, list[str]] = {}
    for part in (part for delta in deltas for part in delta.get("tool_calls") or ()):
        name, arguments = made.setdefault(part["index"], ["", ""])
        function = part["function"]
        made[part["index"]] = [name + function.get("name", ""), arguments + function.get("arguments", "")]
    assert tuple(Call(name, json.loads(text)) for name, text in made.values()) == speaking.CALLS[query]
    words = "".join(delta.get("content") or "" for delta in deltas)
    assert words == ("" if speaking.CALLS[query] else answer)


def test_a_grammar_holds_a_call_to_its_schema_and_leaves_right_answers_alone(model: LlamaModel) -> None:
    query, tools, answer = speaking.ODD
    assert ask(model, messages(query), tools).text == answer
    constrained = model.constrained(messages(query), tools, max_tokens=120)
    assert constrained != answer
    (call,) = parse_strict(constrained).calls
    assert call.arguments["unit"] != "kelvin" and compile_tools(tools).validates(call)
    for asked, offered, _ in speaking.EXAMPLES:
        assert parse_strict(model.constrained(messages(asked), offered, max_tokens=120)).calls == speaking.CALLS[asked]
    assert not parse_strict(model.constrained(messages(query), tools, max_tokens=13)).calls, "it was cut"
