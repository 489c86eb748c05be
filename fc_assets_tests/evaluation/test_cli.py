"""Scoring files from the command line, as somebody without the asset graph would."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import answer_text
from fc_assets.evaluation.cli import main
from fc_assets_tests.support.scored_files import CALLS, predictions, sharegpt
from fc_assets_tests.support.tools import TOOLS, weather


def right(variant: str | None = None) -> list[dict[str, object]]:
    answers = {str(number): answer_text(calls) or "No \u2028 tool." for number, calls in enumerate(CALLS)}
    answers |= {f"talk#{step}": answer_text([weather("Bonn")]) for step in (0, 1)}
    return [{"id": row, "text": text} | ({"variant": variant} if variant else {}) for row, text in answers.items()]


def score(data: Path, found: Path, out: Path) -> int:
    return main(["score", "--predictions", str(found), "--data", str(data), "--out", str(out)])


def test_jsonl_against_sharegpt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = predictions(tmp_path, right())
    assert score(sharegpt(tmp_path), found, tmp_path / "out") == 0
    data = json.loads((tmp_path / "out" / "results.json").read_text())
    assert data["variants"]["model"]["exact_match"] == 1 and data["variants"]["model"]["rows"] == 5
    assert "exact match 1.000" in capsys.readouterr().out


def test_parquet_with_variants_against_the_normalised_table(tmp_path: Path) -> None:
    table = [
        {
            "id": str(number),
            "query": "Weather?",
            "tools": json.dumps(TOOLS),
            "calls": json.dumps([call.as_dict() for call in calls]),
            "flags": ["near_duplicate_bfcl"] if number else [],
        }
        for number, calls in enumerate(CALLS)
    ]
    pd.DataFrame(table).to_parquet(tmp_path / "data.parquet")
    wrong = [{"id": str(n), "text": answer_text([Call("ping", {})]), "variant": "base"} for n in range(3)]
    rows = [*wrong, *(line for line in right("sft") if "talk" not in str(line["id"]))]
    pd.DataFrame(rows).to_parquet(tmp_path / "predictions.parquet")
    assert score(tmp_path / "data.parquet", tmp_path / "predictions.parquet", tmp_path / "out") == 0
    data = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [data["variants"][name]["exact_match"] for name in ("base", "sft")] == [0, 1]
    assert data["strata"]["near-duplicates"]["sft"]["exact_match"]["rows"] == 2


FAULTS = {
    "a row is missing": (right()[1:], "1 of 5 rows have no answer (the first is '0')"),
    "an unknown row": ([*right(), {"id": "nobody", "text": ""}], "'nobody'"),
    "a row twice": ([*right(), right()[0]], "row 0 has two predictions"),
    "no text": ([{"id": "1"}], "needs an 'id' and a 'text', an OpenAI 'message'"),
    "nothing": ([], "holds no prediction"),
}


@pytest.mark.parametrize("lines, message", FAULTS.values(), ids=FAULTS)
def test_bad_predictions_get_one_sentence(
    lines: list[dict[str, object]], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(sharegpt(tmp_path), predictions(tmp_path, lines), tmp_path / "out") == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_files_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = sharegpt(tmp_path)
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"id": "0", "text": "x"}\n{"id"\n')
    assert score(data, broken, tmp_path / "out") == 1
    assert "line 2 is not JSON" in capsys.readouterr().err
    (tmp_path / "no.parquet").write_text("text")
    assert score(tmp_path / "no.parquet", broken, tmp_path / "out") == 1
    assert score(tmp_path / "absent.json", broken, tmp_path / "out") == 1
    pd.DataFrame({"id": ["0"]}).to_parquet(tmp_path / "short.parquet")
    assert score(data, tmp_path / "short.parquet", tmp_path / "out") == 1
    assert "needs an 'id' and a 'text'" in capsys.readouterr().err


def as_openai(number: int) -> dict[str, object]:
    calls = [{"function": {"name": call.name, "arguments": json.dumps(call.arguments)}} for call in CALLS[number]]
    return {"role": "assistant", "content": None if calls else "Sorry.", "tool_calls": calls}


FORMS = {
    "a message": lambda number: {"message": as_openai(number)},
    "tool calls beside the id": as_openai,
    "a whole response": lambda number: {"choices": [{"message": as_openai(number)}]},
    "a message as text": lambda number: {"text": json.dumps(as_openai(number))},
    "tool calls as text": lambda number: {"text": json.dumps(as_openai(number)["tool_calls"] or "No.")},
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_answers_in_openais_form_against_rows_in_xlams(form, kind: str, tmp_path: Path, capsys) -> None:
    rows = [
        {
            "id": number,
            "query": "Weather?",
            "tools": json.dumps(TOOLS),
            "answers": json.dumps([call.as_dict() for call in calls]),
        }
        for number, calls in enumerate(CALLS)
    ]
    data = tmp_path / f"data.{kind}"
    if kind == "csv":
        pd.DataFrame(rows).to_csv(data, index=False)
    else:
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = predictions(tmp_path, [{"id": str(number), **form(number)} for number in range(len(CALLS))])
    assert score(data, found, tmp_path / "out") == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["variants"]["model"]["exact_match"] == 1
    assert not capsys.readouterr().err


def test_predictions_may_be_csv(tmp_path: Path) -> None:
    pd.DataFrame(right()).to_csv(tmp_path / "found.csv", index=False)
    assert score(sharegpt(tmp_path), tmp_path / "found.csv", tmp_path / "out") == 0
    assert json.loads((tmp_path / "out" / "results.json").read_text())["variants"]["model"]["exact_match"] == 1


def test_answers_without_a_readable_call_are_warned_about(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = predictions(tmp_path, [{"id": row["id"], "text": f"call: {row['text']!r}"[:12]} for row in right()])
    assert score(sharegpt(tmp_path), found, tmp_path / "out") == 0
    said = capsys.readouterr().err
    assert "warning: model: 4 of 4 answers that should hold a call hold none that can be read" in said


def test_arguments_that_are_no_json_are_left_to_the_parser(tmp_path: Path) -> None:
    broken = {"id": "0", "tool_calls": [{"function": {"name": "get_weather", "arguments": '{"city": '}}]}
    found = predictions(tmp_path, [broken, *right()[1:]])
    assert score(sharegpt(tmp_path), found, tmp_path / "out") == 0
    assert json.loads((tmp_path / "out" / "results.json").read_text())["variants"]["model"]["parse_rate"] == 0.8


def test_a_row_that_is_no_row_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data.jsonl").write_text('{"id": 1, "question": "?"}\n')
    assert score(tmp_path / "data.jsonl", predictions(tmp_path, right()), tmp_path / "out") == 1
    assert (
        "data.jsonl line 1: no query; a row needs conversations (ShareGPT) or query, tools" in capsys.readouterr().err
    )
