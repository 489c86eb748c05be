"""BFCL: what is translated, what is counted, and the official checker on known answers."""

import json
from collections import Counter
from pathlib import Path

import pytest

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import answer_text
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import FAILED, TOO_LONG, Answer
from fc_assets.evaluation.bfcl.model import BfclReport, BfclRow, BfclSample, CategoryScore
from fc_assets.evaluation.bfcl.scores import (
    as_tool,
    find_python,
    headline,
    parse_share,
    questions_of,
    result_text,
    score_answers,
    score_modes,
    summarise,
    take_sample,
    write_records,
)
from fc_assets.evaluation.bfcl.tables import side_by_side
from fc_assets.profiles import BfclSettings

SIZES = {
    "simple_python": 400,
    "simple_java": 100,
    "simple_javascript": 50,
    "multiple": 200,
    "parallel": 200,
    "parallel_multiple": 200,
    "live_simple": 258,
    "live_multiple": 1053,
    "live_parallel": 16,
    "live_parallel_multiple": 24,
    "irrelevance": 240,
    "live_irrelevance": 884,
    "live_relevance": 16,
}
"""Rows of bfcl-eval 2026.3.23 in each single-turn category."""


def scores(accuracies: dict[str, float]) -> list[CategoryScore]:
    return [CategoryScore(name, value, 0.0, 1.0, 0, 4, 0.0, 0) for name, value in accuracies.items()]


def test_types_become_json_schema_at_every_depth() -> None:
    tool = as_tool(
        {
            "name": "a.b",
            "description": "D.",
            "parameters": {
                "type": "dict",
                "required": ["where"],
                "properties": {
                    "where": {"type": "tuple", "items": {"type": "float"}, "description": "W."},
                    "more": {"type": "array", "items": {"type": "dict", "properties": {"x": {"type": "any"}}}},
                    "type": {"type": "integer", "optional": True, "default": 3},
                },
            },
        }
    )
    assert tool == {
        "name": "a.b",
        "description": "D.",
        "parameters": {
            "type": "object",
            "required": ["where"],
            "properties": {
                "where": {"type": "array", "items": {"type": "number"}, "description": "W."},
                "more": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string"}}}},
                "type": {"type": "integer", "default": 3},
            },
        },
    }


def test_answers_are_written_as_the_official_handler_reads_them() -> None:
    block = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>'
    assert result_text('<think>\n\n</think>\n\n<tool_call>{"name":"f","arguments":{"a":1}}</tool_call>') == block
    assert result_text(f"{block}<tool_call>broken</tool_call>{block}") == f"{block}\n{block}"
    assert result_text("No tool fits.") == "No tool fits."
    assert result_text("<tool_call>broken</tool_call>") == "<tool_call>broken</tool_call>"


def test_the_headline_is_the_leaderboards_formula() -> None:
    accuracies = dict.fromkeys(SIZES, 0.5) | {"simple_python": 0.8, "live_multiple": 0.9, "irrelevance": 1.0}
    found = headline(scores(accuracies), SIZES)
    assert found["non_live"] == pytest.approx(((0.8 + 0.5 + 0.5) / 3 + 3 * 0.5) / 4)
    assert found["live"] == pytest.approx((0.9 * 1053 + 0.5 * (258 + 16 + 24)) / (258 + 1053 + 16 + 24))
    assert found["irrelevance"] == pytest.approx(0.75)
    assert found["st3"] == pytest.approx((found["non_live"] + found["live"] + 0.75) / 3)


def test_a_category_that_was_not_evaluated_is_not_a_zero() -> None:
    accuracies = dict.fromkeys(SIZES, 0.5)
    del accuracies["live_simple"]
    found = headline(scores(accuracies), SIZES)
    assert found["live"] is None and found["st3"] is None and found["non_live"] == pytest.approx(0.5)


def test_a_missing_environment_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(FcAssetsError, match=r"uv pip install .*requirements/bfcl\.txt"):
        find_python(BfclSettings(python=str(tmp_path / "python")))


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return find_python(BfclSettings())
    except FcAssetsError as error:
        pytest.skip(str(error))


def answer(row: str, text: str, finish_reason: str = "stop") -> Answer:
    return Answer(row, text, finish_reason, 0.1, 1, 1, "why" if finish_reason in (TOO_LONG, FAILED) else "")


def gold_text(row: BfclRow) -> str:
    """The first possible answer of each argument; "" marks an argument that may be left out.

    A dictionary lists the possible answers of each of its keys, one level deep.
    """

    def plain(option: object) -> object:
        if isinstance(option, dict):
            return {name: values[0] if values else [] for name, values in option.items() if "" not in values}
        return [plain(item) for item in option] if isinstance(option, list) else option

    if row.possible_answers is None:
        call = Call(row.functions[0]["name"], {}) if row.category == "live_relevance" else None
        return answer_text([call]) if call else "None of the functions can do this."
    calls = []
    for possible in row.possible_answers:
        ((name, arguments),) = possible.items()
        function = next(each for each in row.functions if each["name"] == name)
        required = function["parameters"].get("required", ())
        values = {
            key: plain(next((option for option in options if option != ""), options[0] if options else []))
            for key, options in arguments.items()
            if "" not in options or key in required
        }
        if row.category in ("simple_java", "simple_javascript"):  # these want source text, not values
            values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
        calls.append(Call(name, values))
    return answer_text(calls)


def sample(python: Path, folder: Path, **settings: object) -> BfclSample:
    """A sample without the official prompts, which take seconds, unless asked for."""
    return take_sample(BfclSettings(**{"prompt_modes": ("chat_template",), **settings}), python, folder, folder / "log")


def test_the_sample_is_stratified_and_seeded(python: Path, tmp_path: Path) -> None:
    taken = sample(python, tmp_path, rows_per_category=3, prompt_modes=("chat_template", "official"))
    assert Counter(row.category for row in taken.rows) == dict.fromkeys(SIZES, 3)
    assert taken.sizes == SIZES
    again, other = (sample(python, tmp_path, rows_per_category=3, seed=seed) for seed in (42, 7))
    assert [row.id for row in again.rows] == [row.id for row in taken.rows] != [row.id for row in other.rows]
    first = taken.rows[0]
    assert questions_of(taken.rows, "chat_template")[0].tools[0]["parameters"]["type"] == "object"
    official = questions_of(taken.rows, "official")[0]
    assert official.id == f"official:{first.id}" and official.prompt.endswith("<|im_start|>assistant\n")
    assert json.dumps(first.functions[0]) in official.prompt and first.messages[0]["content"] in official.prompt
    with pytest.raises(FcAssetsError, match=r"bfcl\.categories has nonsense"):
        sample(python, tmp_path, categories=("nonsense",))


@pytest.mark.slow
def test_gold_answers_are_right_and_silence_is_wrong(python: Path, tmp_path: Path) -> None:
    taken = sample(python, tmp_path)
    gold = [answer(row.id, gold_text(row)) for row in taken.rows]
    found = score_answers(taken.rows, gold, python, tmp_path / "gold", tmp_path / "log")
    correct = {score.category: score.correct for score in found.scores}
    # Two live rows each whose gold contradicts their own schema; Java wants literals of its own.
    expected = SIZES | {"live_simple": 256, "live_multiple": 1051}
    loose = {"simple_java"}
    assert {name: n for name, n in correct.items() if name not in loose} == {
        name: n for name, n in expected.items() if name not in loose
    }
    assert all(correct[name] > 0.5 * SIZES[name] for name in loose)
    assert parse_share(found.records) == 1.0

    silent = [answer(row.id, "Sorry.") for row in taken.rows]
    found = score_answers(taken.rows, silent, python, tmp_path / "silent", tmp_path / "log")
    assert {score.category for score in found.scores if score.correct} == {"irrelevance", "live_irrelevance"}
    assert parse_share(found.records) == 0.0


def test_prompts_that_do_not_fit_are_wrong_and_failed_rows_are_left_out(python: Path, tmp_path: Path) -> None:
    taken = sample(python, tmp_path, rows_per_category=3, categories=("simple_python", "irrelevance"))
    reasons = ["stop", TOO_LONG, FAILED] * 2
    answers = [
        answer(row.id, gold_text(row) if reason == "stop" else "", reason)
        for row, reason in zip(taken.rows, reasons, strict=True)
    ]
    modes = ("chat_template", "official")
    too_long = [answer(row.id, "", TOO_LONG) for row in taken.rows]
    judged = score_modes(taken, modes, [*answers, *too_long], python, tmp_path, tmp_path / "log")
    found = judged["chat_template"]
    assert [(score.category, score.correct, score.total, score.too_long) for score in found.scores] == [
        ("simple_python", 1, 2, 1),
        ("irrelevance", 1, 2, 1),
    ]
    assert [record["error"] for record in found.records] == ["", "prompt_too_long"] * 2
    assert 0 < found.scores[0].low < 0.5 < found.scores[0].high < 1
    summary = summarise(found, taken.sizes)
    assert (summary.failed, summary.too_long, summary.parse_share) == (2, 2, 0.5)
    assert summary.headline["st3"] is None and summary.headline["irrelevance"] is None
    assert [score.correct for score in judged["official"].scores] == [0, 0], "each mode has its own answers"
    report = BfclReport(
        bfcl_eval=taken.version,
        sampled=len(taken.rows),
        sizes=taken.sizes,
        modes={mode: summarise(each, taken.sizes) for mode, each in judged.items()},
    )
    assert BfclReport.model_validate_json(report.model_dump_json()) == report, "gates read what the step wrote"
    table = side_by_side({"SFT": report})
    assert {(row["prompt mode"], row["category"]): row["SFT"] for row in table[:2]} == {
        ("chat_template", "simple_python"): 0.5,
        ("chat_template", "irrelevance"): 0.5,
    }
    write_records(judged, tmp_path / "rows.parquet")
    assert (tmp_path / "rows.parquet").stat().st_size > 0
