"""llama.cpp reads the files as transformers reads the checkpoint: the same ids, the same prompts, the same answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fc_assets.calls.prompts import render_prompt
from fc_assets.edge.conversion.checkpoint import read_checkpoint
from fc_assets.edge.conversion.convert_job import write_gguf
from fc_assets.edge.measurement.ask_job import Model, ask
from fc_assets.errors import FcAssetsError

TOOL = {
    "name": "get_weather",
    "description": "Weather in a city & its <surroundings>, for 'n' days",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": 'The city, such as "Zürich"'},
            "days": {"type": "integer", "description": "1 to 14", "default": 1},
        },
        "required": ["city"],
    },
}
QUERY = 'What\'s the weather in "Zürich" — and in 東京, for 12 days?\n'


@pytest.fixture(scope="module")
def tokenizer(checkpoint_folder: Path) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(checkpoint_folder)


@pytest.fixture(scope="module")
def f16_file(tmp_path_factory: pytest.TempPathFactory, checkpoint_folder: Path) -> Path:
    out = tmp_path_factory.mktemp("gguf") / "policy-F16.gguf"
    write_gguf(read_checkpoint(checkpoint_folder), out, "F16", name="tiny", source_digest="d")
    return out


@pytest.fixture(scope="module")
def model(f16_file: Path) -> Model:
    return Model(str(f16_file), context=512, threads=1)


def _ids(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def test_the_tool_prompt_is_rendered_and_cut_alike(model: Model, tokenizer: Any) -> None:
    messages = [{"role": "user", "content": QUERY}]
    prompt = render_prompt(tokenizer, messages, [TOOL], thinking_off=True)
    assert prompt.endswith("<think>\n\n</think>\n\n")
    assert model.render(messages, [TOOL]) == prompt
    assert model.tokenise(prompt) == _ids(tokenizer, prompt)


PIECES = (
    "<tool_call>",
    "</tool_call>",
    "<|im_end|>",
    "<think>",
    '{"name": "',
    "'s",
    "\n\n",
    "  ",
    "\t",
    "٣",
    " naïve",
    "日本",
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=8))
def test_any_composed_text_has_the_same_ids(model: Model, tokenizer: Any, pieces: list[str]) -> None:
    text = unicodedata.normalize("NFC", "".join(pieces))
    assert model.tokenise(text) == _ids(tokenizer, text)


def test_greedy_answers_are_those_of_transformers(model: Model, tokenizer: Any, checkpoint_folder: Path) -> None:
    import torch
    from transformers import Qwen3ForCausalLM

    reference = Qwen3ForCausalLM.from_pretrained(checkpoint_folder).half().float().eval()
    for query in ("What is the weather in Zürich?", "Convert 3.5 miles, please."):
        ids = torch.tensor([_ids(tokenizer, query)])
        expected = reference.generate(ids, max_new_tokens=12, do_sample=False)[0, ids.shape[1] :]
        answer = model.answer(query, max_tokens=12)
        assert answer["text"] == tokenizer.decode(expected, skip_special_tokens=True)
        assert answer["prompt_tokens"] == ids.shape[1]
        assert answer["output_tokens"] == 12
        assert answer["finish_reason"] == "length"
        assert 0 < answer["first_token_s"] < answer["seconds"]


def test_a_prompt_beyond_the_context_is_told(model: Model) -> None:
    with pytest.raises(FcAssetsError, match="exceeds the available context size"):
        model.answer("hello " * 600, max_tokens=4)


def test_ask_compares_ids_and_prompts(model: Model, tokenizer: Any) -> None:
    messages = [{"role": "user", "content": QUERY}]
    prompt = render_prompt(tokenizer, messages, [TOOL], thinking_off=True)
    row = {"id": "1", "prompt": prompt, "ids": _ids(tokenizer, prompt), "messages": messages, "tools": [TOOL]}
    changed = {**row, "id": "2", "ids": row["ids"][1:], "tools": []}
    right, wrong = ask(model, [row, changed], max_tokens=2)
    assert (right.id, right.same_ids, right.same_prompt) == ("1", True, True)
    assert (wrong.id, wrong.same_ids, wrong.same_prompt) == ("2", False, False)


def _run(tmp_path: Path, job: dict[str, Any]) -> tuple[subprocess.CompletedProcess[str], Path]:
    result = tmp_path / "result.json"
    (tmp_path / "job.json").write_text(json.dumps({**job, "result": str(result)}), encoding="utf-8")
    argv = [sys.executable, "-m", "fc_assets.edge.measurement.ask_job", str(tmp_path / "job.json")]
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, env=environment), result


def test_the_process_reports_what_the_file_cost(tmp_path: Path, f16_file: Path) -> None:
    prompts = [{"id": "1", "prompt": "hello", "ids": [], "messages": [{"role": "user", "content": "hi"}], "tools": []}]
    job = {"model": str(f16_file), "prompts": prompts, "context": 256, "threads": 1, "max_tokens": 4}
    ended, result = _run(tmp_path, job)
    assert ended.returncode == 0, ended.stderr
    asked = json.loads(result.read_text(encoding="utf-8"))
    assert asked["load_s"] > 0
    assert 10 < asked["peak_rss_mb"] < 500
    assert asked["answers"][0]["output_tokens"] == 4


def test_a_file_that_does_not_load_ends_in_one_sentence(tmp_path: Path, f16_file: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(f16_file.read_bytes()[:20_000])
    ended, result = _run(tmp_path, {"model": str(broken), "prompts": [], "context": 256, "threads": 1, "max_tokens": 4})
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"error: llama.cpp could not load {broken}")
    assert not result.exists()
