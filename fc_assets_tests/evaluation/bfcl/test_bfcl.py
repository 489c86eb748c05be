"""BFCL: what is translated, what is counted, and the official checker on known answers."""

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import answer_text
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import CUT, FAILED, TOO_LONG, Answer, RequestSettings
from fc_assets.evaluation.bfcl import checker, published, self_test
from fc_assets.evaluation.bfcl.coverage import RUNNABLE, not_run
from fc_assets.evaluation.bfcl.model import BfclAttempt, BfclReport, BfclSample, CategoryScore, ModeSummary
from fc_assets.evaluation.bfcl.scores import (
    as_tool,
    attempt_of,
    find_python,
    judge,
    questions_of,
    result_text,
    score_modes,
    take_sample,
    write_records,
)
from fc_assets.evaluation.bfcl.summaries import headline, parse_share, summarise
from fc_assets.evaluation.bfcl.tables import side_by_side, text
from fc_assets.evaluation.inference.client import request_body
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

CONVERSATION_SIZES = {
    **dict.fromkeys(
        ("multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context"), 200
    ),
    **dict.fromkeys(("memory_kv", "memory_rec_sum"), 155),
}


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
    assert found["multi_turn"] is None
    turns = ("multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context")
    assert headline(scores(dict.fromkeys(turns, 0.2) | {turns[0]: 0.6}), {})["multi_turn"] == pytest.approx(0.3)


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


def attempts(taken: BfclSample, texts: list[tuple[str, str]]) -> list[BfclAttempt]:
    """Attempts of single questions from their texts and finish reasons."""
    return [attempt_of(row, answer(row.id, *each)) for row, each in zip(taken.rows, texts, strict=True)]


def right(taken: BfclSample) -> list[str]:
    return [str(self_test.oracle(row).result) for row in taken.rows]


def sample(python: Path, folder: Path, **settings: object) -> BfclSample:
    """A sample without the official prompts, which take seconds, unless asked for."""
    return take_sample(BfclSettings(**{"prompt_modes": ("chat_template",), **settings}), python, folder, folder / "log")


def test_the_sample_is_stratified_and_seeded(python: Path, tmp_path: Path) -> None:
    categories = ("simple_python", "multiple", "live_relevance", "multi_turn_base")
    modes = ("chat_template", "official")
    taken = sample(python, tmp_path, rows_per_category=3, categories=categories, prompt_modes=modes)
    assert Counter(row.category for row in taken.rows) == dict.fromkeys(categories, 3)
    assert taken.sizes == {name: (SIZES | CONVERSATION_SIZES)[name] for name in categories}
    pair = {"rows_per_category": 3, "categories": ("simple_python", "multiple")}
    again, other = (sample(python, tmp_path, seed=seed, **pair) for seed in (42, 7))
    assert [row.id for row in again.rows] == [row.id for row in taken.rows if row.category in pair["categories"]]
    assert [row.id for row in again.rows] != [row.id for row in other.rows]
    first = taken.rows[0]
    assert questions_of(taken.rows, "chat_template")[0].tools[0]["parameters"]["type"] == "object"
    official = questions_of(taken.rows, "official")[0]
    assert official.id == f"official:{first.id}" and official.prompt.endswith("<|im_start|>assistant\n")
    assert json.dumps(first.functions[0]) in official.prompt and first.messages[0]["content"] in official.prompt
    with pytest.raises(FcAssetsError, match=r"bfcl\.categories has nonsense"):
        sample(python, tmp_path, categories=("nonsense",))


@pytest.mark.slow
def test_the_oracle_reaches_its_known_ceilings_and_a_corrupted_one_nothing(python: Path, tmp_path: Path) -> None:
    taken = sample(python, tmp_path, categories=RUNNABLE)
    assert taken.sizes == SIZES | CONVERSATION_SIZES
    assert set(RUNNABLE) == set(BfclSettings().categories)
    sets = {"oracle": [*map(self_test.oracle, taken.rows)], "corrupted": [*map(self_test.corrupted, taken.rows)]}
    wrong = judge(sets, python, tmp_path, tmp_path / "log")
    assert wrong["oracle"].keys() == self_test.UNREACHABLE
    assert wrong["corrupted"].keys() == {row.id for row in taken.rows}


@pytest.mark.slow
def test_silence_is_right_only_where_no_call_is_expected(python: Path, tmp_path: Path) -> None:
    taken = sample(python, tmp_path, rows_per_category=2, categories=tuple(SIZES))
    texts = {"gold": [(text, "stop") for text in right(taken)], "silent": [("Sorry.", "stop")] * len(taken.rows)}
    modes = {name: attempts(taken, each) for name, each in texts.items()}
    found = score_modes(modes, python, tmp_path, tmp_path / "log").modes
    unreachable = sum(row.id in self_test.UNREACHABLE for row in taken.rows)
    assert sum(one.correct for one in found["gold"].scores) == len(taken.rows) - unreachable
    assert {one.category for one in found["silent"].scores if one.correct} == {"irrelevance", "live_irrelevance"}
    assert [parse_share(each.records) for each in found.values()] == [1.0, 0.0]


def test_a_checker_that_judges_known_answers_otherwise_is_not_believed(python: Path, tmp_path: Path) -> None:
    taken = sample(
        python, tmp_path, rows_per_category=2, categories=("simple_python", "irrelevance", "multi_turn_base")
    )
    known = self_test.self_test_sets(taken.rows)
    wrong = judge(known, python, tmp_path, tmp_path / "log")
    assert self_test.check(known, wrong) == 6
    first = taken.rows[0].id
    with pytest.raises(FcAssetsError, match=f"calls 1 of 6 right answers wrong .the first is {first}: why"):
        self_test.check(known, {**wrong, "oracle": {first: "why"}})
    kind = {row: error for row, error in wrong["corrupted"].items() if row != first}
    with pytest.raises(FcAssetsError, match=f"calls 1 of 6 wrong answers right .the first is {first}"):
        self_test.check(known, {**wrong, "corrupted": kind})


def test_cut_answers_and_prompts_that_do_not_fit_are_wrong_and_failed_rows_are_left_out(
    python: Path, tmp_path: Path
) -> None:
    taken = sample(python, tmp_path, rows_per_category=5, categories=("simple_python", "irrelevance"))
    gold = right(taken)
    endings = ["stop", TOO_LONG, FAILED, CUT, CUT]
    texts = [
        ({"stop": gold[place], CUT: "<think>So" if place % 5 == 3 else gold[place]}.get(endings[place % 5], ""), each)
        for place, each in enumerate(endings * 2)
    ]
    modes = {
        "chat_template": attempts(taken, texts),
        "official": attempts(taken, [("", TOO_LONG)] * len(taken.rows)),
    }
    judged = score_modes(modes, python, tmp_path, tmp_path / "log")
    assert judged.self_test == 2 * self_test.ROWS_EACH
    found = judged.modes["chat_template"]
    shown = [(one.category, one.correct, one.total, one.too_long, one.cut, one.failed) for one in found.scores]
    # A whole call before the cut counts; the same silence that is right when it ends is wrong when it was cut.
    assert shown == [("simple_python", 2, 4, 1, 2, 1), ("irrelevance", 1, 4, 1, 2, 1)]
    errors = [record["error"] for record in found.records]
    assert errors[:2] == ["", "prompt_too_long"] and errors[3] == ""
    assert errors[4:] == ["", "prompt_too_long", "cut", "cut"]
    assert 0 < found.scores[1].low < 0.25 < found.scores[1].high < 1
    summary = summarise(found, taken.sizes, 96)
    assert (summary.failed, summary.too_long, summary.cut, summary.parse_share) == (2, 2, 4, 0.5)
    assert summary.headline["st3"] is None and summary.headline["irrelevance"] is None
    assert [one.correct for one in judged.modes["official"].scores] == [0, 0], "each mode has its own answers"
    report = BfclReport(
        bfcl_eval=taken.version,
        sampled=len(taken.rows),
        sizes=taken.sizes,
        modes={mode: summarise(each, taken.sizes, 96) for mode, each in judged.modes.items()},
        not_run=not_run(("simple_python",)),
    )
    assert BfclReport.model_validate_json(report.model_dump_json()) == report, "gates read what the step wrote"
    table = side_by_side({"SFT": report})
    assert {(row["prompt mode"], row["category"]): row["SFT"] for row in table[:2]} == {
        ("chat_template", "simple_python"): "2 of 4",
        ("chat_template", "irrelevance"): "1 of 4",
    }
    said = text({"SFT": report})
    assert "web_search_base" in said and "`official` may have 96 tokens" in said
    assert table[0]["SFT lost"] == "2 cut, 1 too long, 1 without an answer"
    write_records(judged.modes, tmp_path / "rows.parquet")
    assert (tmp_path / "rows.parquet").stat().st_size > 0


def test_what_a_model_names_is_evaluated_only_where_it_can_be_a_tool(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The official executor evaluates what a model wrote as Python."""
    taken = sample(python, tmp_path, rows_per_category=1, categories=("multi_turn_base",))
    target = tmp_path / "written"
    hostile = [
        Call("open", {"file": str(target), "mode": "w"}),
        Call(f"__import__('pathlib').Path({str(target)!r}).touch", {}),
        Call("pwd", {f"x=__import__('pathlib').Path({str(target)!r}).touch(), y": 1}),
    ]
    (row,) = taken.rows
    attempt = BfclAttempt(row, [[answer_text([call]) for call in hostile]] * row.turns, "", "stop", 0, 3)
    wrong = judge({"hostile": [attempt]}, python, tmp_path, tmp_path / "log")
    assert row.id in wrong["hostile"] and not target.exists()


def test_what_is_not_run_is_named_with_its_reason() -> None:
    found = not_run(("simple_python", *RUNNABLE[5:]))
    assert "network" in found["web_search_base"] and "hub" in found["memory_vector"]
    assert found["multiple"] == "not among the profile's bfcl.categories" and "simple_python" not in found
    assert not set(not_run(RUNNABLE)) & set(RUNNABLE)


OFFICIAL_PROMPTS = """
import json, sys
from types import SimpleNamespace
from checker import official_handler
handler = official_handler()
from bfcl_eval.utils import load_dataset_entry
prompts = {}
def create(prompt, **options):
    prompts[entry["id"]] = prompt
    usage = SimpleNamespace(prompt_tokens=0, completion_tokens=0)
    return SimpleNamespace(choices=[SimpleNamespace(text="")], usage=usage)
handler.client = SimpleNamespace(completions=SimpleNamespace(create=create))
handler.tokenizer, handler.max_context_length = SimpleNamespace(tokenize=list), 10**9
for category in sys.argv[1].split(","):
    for entry in load_dataset_entry(category):
        handler.inference(entry, include_input_log=False, exclude_state_log=True)
print(json.dumps(prompts))
"""
"""What the leaderboard's own run of a local model sends its server for every question of these categories."""


@pytest.mark.parametrize(
    "categories", [("simple_java", "parallel", "live_relevance"), pytest.param(tuple(SIZES), marks=pytest.mark.slow)]
)
def test_the_official_mode_sends_the_leaderboards_own_prompts(
    python: Path, tmp_path: Path, categories: tuple[str, ...]
) -> None:
    taken = sample(python, tmp_path, prompt_modes=("official",), categories=categories)
    argv = [python, "-c", OFFICIAL_PROMPTS, ",".join(categories)]
    env = {**os.environ, "BFCL_PROJECT_ROOT": str(tmp_path), "PYTHONPATH": str(Path(checker.__file__).parent)}
    official = json.loads(subprocess.run(argv, env=env, capture_output=True, check=True, text=True).stdout)
    asking = RequestSettings(4096, 1, 1, 0, 0.0, 1)
    sent = {
        question.id.removeprefix("official:"): request_body("m", question, asking)["prompt"]
        for question in questions_of(taken.rows, "official")
    }
    assert len(sent) == sum(SIZES[name] for name in categories) and sent == official


def test_the_published_numbers_are_consistent_in_themselves() -> None:
    """Each mean of the leaderboard's is the mean of its categories as it published them: no figure was misread."""
    found = published.published()
    assert {"Qwen3-0.6B (FC)", "Hammer2.1-0.5b (FC)", "Hammer2.1-1.5b (FC)", "xLAM-2-1b-fc-r (FC)"} <= found.keys()
    for model, values in found.items():
        own = [CategoryScore(name, value, 0, 1, 0, 1, 0, 0) for name, value in values.items() if name in RUNNABLE]
        computed = headline(own, SIZES)
        for name, value in computed.items():
            assert value == pytest.approx(values[f"summary_{name}"], abs=1e-4), (model, name)
    assert found["Qwen3-0.6B (FC)"]["summary_st3"] == pytest.approx(0.6975, abs=1e-4)


def test_published_numbers_stand_beside_ours_where_these_can_be_claimed() -> None:
    def report(mode: str, rows: int) -> BfclReport:
        categories = tuple(
            CategoryScore(name, 0.5, 0.4, 0.6, rows // 2, min(rows, size), 0.0, 0) for name, size in SIZES.items()
        )
        summary = ModeSummary(
            headline=headline(categories, SIZES), parse_share=1, failed=0, too_long=0, categories=categories
        )
        return BfclReport(bfcl_eval="1", sampled=1, sizes=SIZES, modes={mode: summary})

    assert published.beside({"SFT": report("chat_template", 1000)}) == [], "asked otherwise than the leaderboard asks"
    assert published.beside({"SFT": report("official", 4)}) == [], "a few rows are no score"
    ours, theirs, *_ = published.beside({"SFT": report("official", 50)})
    assert (ours["model"], ours["st3"], ours["multi_turn"]) == ("SFT", 0.5, None)
    assert (theirs["model"], theirs["non_live"], theirs["multi_turn"]) == ("Qwen3-0.6B (FC)", 0.7179, 0.0362)
    few = side_by_side({"SFT": report("official", 4)})
    counted = {row["category"]: row["SFT"] for row in few}
    assert {row["SFT not parsed"] for row in few if "SFT not parsed" in row} == {"0 of 4"}
    assert counted["Irrelevance (unweighted mean)"] == "4 of 8" and counted["live_relevance"] == "2 of 4"
    shown = {row["category"]: row["SFT"] for row in side_by_side({"SFT": report("official", 50)})}
    assert shown["Irrelevance (unweighted mean)"] == 0.5 == shown["simple_java"]
