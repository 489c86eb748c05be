"""The Modelfile's template, evaluated by Go's own text/template, writes the prompts that the policy was trained on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fc_assets.calls.prompts import render_prompt, wrap_tools
from fc_assets.edge.conversion.readme_and_modelfile import modelfile
from fc_assets.edge.gguf_files import GgufFile
from fc_assets_tests.support.edge_conversations import CONVERSATIONS
from fc_assets_tests.support.go import go

pytestmark = pytest.mark.slow

TEMPLATE = modelfile([GgufFile("Q8_0", "policy-Q8_0.gguf", 1, "0" * 64, 8.5, {}, [])], 1024).split('"""')[1]
KEPT = ("type", "items", "description", "enum")
"""The keys of a parameter's schema that every version of Ollama since 0.7 hands to its template."""


@dataclass(frozen=True)
class Rendered:
    """What Ollama would send for each conversation, and the text that it takes for the opening of a call."""

    prompts: Mapping[str, str]
    tag: str


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("go")
    source = Path(__file__).parent / "ollama_template" / "main.go"
    subprocess.run([go(), "build", "-o", folder / "evaluate", source], check=True, timeout=240)
    return folder / "evaluate"


def _evaluate(evaluator: Path, template: str) -> Rendered:
    conversations = [
        {"messages": list(each.messages), "tools": wrap_tools(each.tools)} for each in CONVERSATIONS.values()
    ]
    asked = json.dumps({"template": template, "conversations": conversations})
    ended = subprocess.run([evaluator], input=asked, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    answer = json.loads(ended.stdout)
    return Rendered(dict(zip(CONVERSATIONS, answer["prompts"], strict=True)), answer["tag"])


@pytest.fixture(scope="module")
def rendered(evaluator: Path) -> Rendered:
    return _evaluate(evaluator, TEMPLATE)


def _kept_tools(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tools as Ollama hands them on: parameters by name in alphabetical order, with the keys that it knows."""
    result = []
    for tool in tools:
        properties = {
            name: {key: part[key] for key in KEPT if key in part}
            for name, part in sorted(tool["parameters"]["properties"].items())
        }
        result.append({**tool, "parameters": {**tool["parameters"], "properties": properties}})
    return result


def _kept_messages(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages as Ollama hands them on: the arguments of a call in alphabetical order."""
    return [json.loads(json.dumps(message, sort_keys=True)) for message in messages]


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_ollama_sends_the_ids_of_training(name: str, rendered: Rendered, tokenizer: Any) -> None:
    asked = CONVERSATIONS[name]
    if not asked.ollama_loses:
        expected = render_prompt(tokenizer, asked.messages, asked.tools, thinking_off=True)
    else:
        kept = _kept_messages(asked.messages), _kept_tools(asked.tools)
        expected = render_prompt(tokenizer, *kept, thinking_off=True)
        assert expected != render_prompt(tokenizer, asked.messages, asked.tools, thinking_off=True)
    assert rendered.prompts[name] == expected
    assert tokenizer(rendered.prompts[name])["input_ids"] == tokenizer(expected)["input_ids"]


def test_ollama_finds_the_tag_that_opens_a_call(rendered: Rendered, evaluator: Path) -> None:
    """Ollama learns it from the first text under `if .ToolCalls`. It found a mere brace in a template without one."""
    assert rendered.tag == "<tool_call>"
    without = TEMPLATE.replace("{{- if .ToolCalls }}", "{{- if .Role }}")
    assert _evaluate(evaluator, without).tag == "{"


def test_a_template_that_joins_results_otherwise_is_seen(rendered: Rendered, evaluator: Path) -> None:
    changed = TEMPLATE.replace('{{ if ne $before "tool" }}<|im_start|>user{{ end }}', "<|im_start|>user")
    assert changed != TEMPLATE
    prompts = _evaluate(evaluator, changed).prompts
    assert {name for name in prompts if prompts[name] != rendered.prompts[name]} == {"parallel calls and results"}
