"""Prompts are the first turns that fit."""

from __future__ import annotations

from pathlib import Path

from fc_assets.edge.jobs import RenderPromptsJob
from fc_assets_tests.edge.conftest import TOOLS, run_process, write_split


def _job(tmp_path: Path, tokenizer: Path, *, context: int) -> RenderPromptsJob:
    split = write_split(tmp_path / "val.json", 6)
    return RenderPromptsJob(tokenizer=tokenizer, split=split, rows=3, context=context, max_tokens=64)


def test_turns_that_do_not_fit_are_passed_over_and_counted(tmp_path: Path, tokenizer_folder: Path) -> None:
    ended, files = run_process(_job(tmp_path, tokenizer_folder, context=320), tmp_path)
    assert ended.returncode == 0, ended.stderr
    rendered = files.result()
    assert [prompt.id for prompt in rendered.prompts] == ["0", "2", "4"]
    assert rendered.too_long == 2
    prompt = rendered.prompts[0]
    assert prompt.prompt.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert prompt.tools == TOOLS
    assert len(prompt.ids) + 64 <= 320


def test_no_turn_that_fits_is_told(tmp_path: Path, tokenizer_folder: Path) -> None:
    ended, _ = run_process(_job(tmp_path, tokenizer_folder, context=80), tmp_path)
    assert ended.returncode == 1
    assert "fits into 80 tokens" in ended.stderr.splitlines()[-1]
