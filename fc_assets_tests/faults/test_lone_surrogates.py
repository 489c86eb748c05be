r"""An answer with half a character, as the escape `"\ud83d"` in pure ASCII: judged like any, and written everywhere."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fc_assets.calls.call import Call, calls_from_json, calls_to_json
from fc_assets.calls.parse import parse_strict
from fc_assets.calls.prompts import answer_text
from fc_assets.evaluation.answers import Answer, answer_log
from fc_assets.evaluation.bfcl.model import BfclRow
from fc_assets.evaluation.bfcl.scores import _write_results, attempt_of, result_text
from fc_assets.evaluation.inference.predictions import read_answers, write_predictions
from fc_assets.evaluation.report.build import build_report
from fc_assets.evaluation.report.origin import Origin
from fc_assets.evaluation.report.write import write_report
from fc_assets.evaluation.scoring import ScoringRow, score_rows
from fc_assets.foundation.json_files import writable
from fc_assets_tests.support.tools import TOOLS, WEIGHTS, weather

HALF = "\ud83d"
BLOCK = '<tool_call>\n{"name": "%s", "arguments": {"city": "%s"}}\n</tool_call>'
ANSWERS = [BLOCK % ("get_weather", r"\ud83d"), BLOCK % (r"get_\ud83d", "Paris"), f"words {HALF}"]


def test_from_the_answer_to_the_report_and_the_leaderboard(tmp_path: Path) -> None:
    assert parse_strict(ANSWERS[0]).calls == (Call("get_weather", {"city": HALF}),)
    with answer_log(tmp_path) as log:
        for number, text in enumerate(ANSWERS):
            log.add(Answer(str(number), text, "stop", 0.1, 1, 1))
    with answer_log(tmp_path) as log:
        answers = [log.finished[str(number)] for number in range(len(ANSWERS))]
    assert [parse_strict(answer.text).calls for answer in answers] == [parse_strict(text).calls for text in ANSWERS]
    write_predictions(answers, tmp_path / "predictions.parquet")
    kept = read_answers(tmp_path / "predictions.parquet")

    rows = [ScoringRow(each.id, f"Paris {HALF}", json.dumps(TOOLS), (weather("Paris"),), each.text) for each in kept]
    frame = score_rows(rows, WEIGHTS)
    assert frame["parse_ok"].tolist() == [1, 1, 0] and frame["exact"].tolist() == [0, 0, 0]
    files = write_report(build_report({"sft": frame}, WEIGHTS, samples=10), tmp_path, Origin())
    assert all(file.stat().st_size for file in files.values())

    row = BfclRow(id="simple_python_0", category="simple_python", messages=(), functions=(), possible_answers=None)
    for answer in kept:
        _write_results([attempt_of(row, answer)], tmp_path)
        (written,) = tmp_path.rglob("BFCL_v4_simple_python_result.json")
        assert parse_strict(json.loads(written.read_text())["result"]).calls == parse_strict(answer.text).calls
        result_text(answer.text).encode()


@given(st.text(alphabet=st.sampled_from(f'{HALF}\udc00\\"{{}}:,a')))
def test_the_escape_changes_no_verdict_of_the_strict_parser(text: str) -> None:
    block = f'<tool_call>{{"name": "f", "arguments": {{"a": "{text}"}}}}</tool_call>'
    writable(block).encode()
    before, after = parse_strict(block), parse_strict(writable(block))
    assert before.malformed == after.malformed
    assert calls_to_json(before.calls) == calls_to_json(after.calls)


def test_an_expected_call_keeps_its_value() -> None:
    call = Call(f"f{HALF}", {HALF: f"\\{HALF}"})
    assert parse_strict(answer_text([call])).calls == calls_from_json(calls_to_json([call])) == (call,)
    answer_text([call]).encode()


def test_a_text_of_nothing_else_is_escaped_in_no_time() -> None:
    assert len(writable(HALF * 200_000)) == 1_200_000


def test_two_halves_that_belong_together_are_their_character() -> None:
    assert writable("\ud83d\ude00 and \ud83d") == "😀 and \\ud83d"
