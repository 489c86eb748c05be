"""The process asks a file every prompt and says what that cost, or in one sentence why it could not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fc_assets.calls.prompts import render_prompt
from fc_assets.edge.jobs import MeasureFileJob, RenderedPrompt
from fc_assets.edge.measurement.llama_model import LlamaModel
from fc_assets.edge.measurement.measure_file_job import answer_prompts
from fc_assets_tests.edge.conftest import run_process
from fc_assets_tests.edge.measurement.conftest import QUERY, TOOL, ids_of


def test_ids_and_prompts_are_compared(model: LlamaModel, tokenizer: Any) -> None:
    messages = [{"role": "user", "content": QUERY}]
    prompt = render_prompt(tokenizer, messages, [TOOL], thinking_off=True)
    asked = RenderedPrompt(id="1", prompt=prompt, ids=ids_of(tokenizer, prompt), messages=messages, tools=[TOOL])
    changed = asked.model_copy(update={"id": "2", "ids": asked.ids[1:], "tools": []})
    right, wrong = answer_prompts(model, [asked, changed], max_tokens=2)
    assert (right.id, right.same_ids, right.same_prompt) == ("1", True, True)
    assert (wrong.id, wrong.same_ids, wrong.same_prompt) == ("2", False, False)


def test_the_process_reports_what_the_file_cost(tmp_path: Path, f16_file: Path) -> None:
    messages = [{"role": "user", "content": "hi"}]
    prompt = RenderedPrompt(id="1", prompt="hello", ids=[9], messages=messages, tools=[])
    job = MeasureFileJob(model=f16_file, prompts=[prompt], context=256, threads=1, max_tokens=4, compared_tokens=3)
    ended, files = run_process(job, tmp_path)
    assert ended.returncode == 0, ended.stderr
    measured = files.result()
    assert measured.load_s > 0
    assert 10 < measured.peak_rss_mb < 500
    assert measured.answers[0].output_tokens == 4
    assert len(measured.places) == len(measured.next_tokens) == 3
    assert [len(place.ids) for place in measured.places] == [1, 2, 3]
    assert all(0 < sum(each.values()) <= 1 for each in measured.next_tokens)


def test_a_file_that_does_not_load_ends_in_one_sentence(tmp_path: Path, f16_file: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(f16_file.read_bytes()[:20_000])
    job = MeasureFileJob(model=broken, prompts=[], context=256, threads=1, max_tokens=4, compared_tokens=3)
    ended, files = run_process(job, tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith(f"error: llama.cpp could not load {broken}")
    with pytest.raises(FileNotFoundError):
        files.result()
