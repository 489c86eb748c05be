"""The report's figures follow from the answers; prompts are the first turns that fit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fc_assets.edge.conversion.files import GgufFile
from fc_assets.edge.measurement.report import headline, largest_drop, picture_of, results, table_row
from fc_assets.errors import FcAssetsError

TOOLS = [
    {
        "name": "get_weather",
        "description": "Weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]
RIGHT = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bern"}}\n</tool_call>'
WRONG = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bonn"}}\n</tool_call>'
BROKEN = '<tool_call>\n{"name": "get_weather"'


def write_split(file: Path, rows: int) -> Path:
    """A ShareGPT split whose every row expects `RIGHT`; each second query is far longer."""
    call = json.dumps({"name": "get_weather", "arguments": {"city": "Bern"}})
    content = [
        {
            "id": str(number),
            "conversations": [
                {"from": "human", "value": "Weather in Bern?" + " please" * (200 * (number % 2))},
                {"from": "function_call", "value": call},
            ],
            "system": "",
            "tools": json.dumps(TOOLS),
        }
        for number in range(rows)
    ]
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def _file(kind: str) -> GgufFile:
    return GgufFile(kind, f"policy-{kind}.gguf", 2_000_000, "0" * 64, 8.5, {kind: 15}, [])


def _asked(texts: list[str], tokens: int = 11) -> dict[str, Any]:
    answers = [
        {
            "id": str(number),
            "text": text,
            "prompt_tokens": 50,
            "output_tokens": tokens,
            "first_token_s": 0.01 * (number + 1),
            "seconds": 0.01 * (number + 1) + 0.1,
            "finish_reason": "stop",
            "same_ids": True,
            "same_prompt": number != 0,
        }
        for number, text in enumerate(texts)
    ]
    return {"load_s": 0.5, "peak_rss_mb": 70.0, "answers": answers}


@pytest.fixture
def rows(tmp_path: Path) -> list[Any]:
    split = write_split(tmp_path / "val.json", 4)
    asked = {
        "F16": _asked([RIGHT, RIGHT, RIGHT, WRONG]),
        "Q8_0": _asked([RIGHT, RIGHT, RIGHT, RIGHT]),
        "Q4_K_M": _asked([RIGHT, RIGHT, BROKEN, WRONG]),
    }
    return results([_file(kind) for kind in asked], asked, split)


def test_quality_is_judged_against_the_expected_calls(rows: list[Any]) -> None:
    assert [row.exact_match for row in rows] == [0.75, 1.0, 0.5]
    assert [row.parse_rate for row in rows] == [1.0, 1.0, 0.75]
    assert [row.same_as_baseline for row in rows] == [1.0, 0.75, 0.75]
    assert all(row.exact_low < row.exact_match <= row.exact_high for row in rows)


def test_latency_and_speed_come_from_the_answers(rows: list[Any]) -> None:
    row = rows[0]
    assert row.first_token_p50_s == pytest.approx(0.025)
    assert row.first_token_p95_s == pytest.approx(0.0385)
    assert row.tokens_per_second == pytest.approx(100)
    assert row.same_prompts == 0.75
    assert table_row(row)["first_token_p50_ms"] == pytest.approx(25)
    assert headline(rows)["Q4_K_M_exact_match"] == 0.5


def test_the_largest_drop_is_of_a_quantised_file(rows: list[Any]) -> None:
    records = [{"kind": row.kind, "exact_match": row.exact_match} for row in rows]
    assert largest_drop(records) == 0.25
    assert largest_drop(records[:2]) == -0.25


def test_the_picture_is_a_png(rows: list[Any]) -> None:
    assert picture_of(rows).startswith(b"\x89PNG")


def test_a_model_that_never_speaks_is_told(tmp_path: Path) -> None:
    split = write_split(tmp_path / "val.json", 1)
    with pytest.raises(FcAssetsError, match=r"policy-F16\.gguf gave no answer longer than one token"):
        results([_file("F16")], {"F16": _asked([""], tokens=1)}, split)


def _render(tmp_path: Path, tokenizer: Path, **job: object) -> subprocess.CompletedProcess[str]:
    split = write_split(tmp_path / "val.json", 6)
    job = {"tokenizer": str(tokenizer), "split": str(split), "result": str(tmp_path / "result.json"), **job}
    (tmp_path / "job.json").write_text(json.dumps(job), encoding="utf-8")
    argv = [sys.executable, "-m", "fc_assets.edge.measurement.prompts_job", str(tmp_path / "job.json")]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, env=dict(os.environ))


def test_turns_that_do_not_fit_are_passed_over_and_counted(tmp_path: Path, tokenizer_folder: Path) -> None:
    ended = _render(tmp_path, tokenizer_folder, rows=3, context=320, max_tokens=64)
    assert ended.returncode == 0, ended.stderr
    rendered = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert [prompt["id"] for prompt in rendered["prompts"]] == ["0", "2", "4"]
    assert rendered["too_long"] == 2
    prompt = rendered["prompts"][0]
    assert prompt["prompt"].endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert prompt["tools"] == TOOLS
    assert len(prompt["ids"]) + 64 <= 320


def test_no_turn_that_fits_is_told(tmp_path: Path, tokenizer_folder: Path) -> None:
    ended = _render(tmp_path, tokenizer_folder, rows=3, context=80, max_tokens=64)
    assert ended.returncode == 1
    assert "fits into 80 tokens" in ended.stderr.splitlines()[-1]
