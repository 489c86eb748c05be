"""Judging many rows: what the table holds, which failures it names, and what an absent answer means."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fc_assets.calls.call import Call
from fc_assets.calls.judge import judge
from fc_assets.calls.prompts import answer_text
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import CUT, FAILED, TOO_LONG
from fc_assets.evaluation.report.build import build_report
from fc_assets.evaluation.report.write import results
from fc_assets.evaluation.scoring import ScoringRow, TooManyFailedError, gold_rows, judged, score_rows
from fc_assets.evaluation.taxonomy import CATEGORIES, failures
from fc_assets.profiles import load_profile, parse_profile
from fc_assets_tests.support.tools import PING, TOOLS, WEATHER, WEIGHTS, weather

A, B = weather("Paris"), weather("Rome")
QUERY = "Weather in Paris for 3 days, and is Oslo warmer?"

# text, expected, the categories found
FAILURES = {
    "right": (answer_text([A]), [A], []),
    "malformed": ("<tool_call>{</tool_call>", [A], ["malformed"]),
    "malformed beside a right call": (answer_text([A]) + "<tool_call>", [A], ["malformed"]),
    "no call": ("It is sunny.", [A], ["no call"]),
    "unknown tool": (answer_text([Call("weather", {"city": "Paris"})]), [A], ["unknown tool"]),
    "wrong tool": (answer_text([Call("ping", {})]), [A], ["wrong tool"]),
    "missing call": (answer_text([A]), [A, B], ["missing call"]),
    "extra call": (answer_text([A, Call("ping", {})]), [A], ["extra call"]),
    "duplicate": (answer_text([A, A]), [A], ["extra call"]),
    "call where none is expected": (answer_text([A]), [], ["extra call"]),
    "missing required": (answer_text([Call("get_weather", {})]), [A], ["missing required"]),
    "an optional one missing": (answer_text([A]), [weather("Paris", days=3)], ["wrong value"]),
    "an undeclared argument": (answer_text([weather("Paris", x=1)]), [A], ["extra argument"]),
    "an argument nobody asked for": (answer_text([weather("Paris", days=2)]), [A], ["extra argument"]),
    "wrong type": (answer_text([weather("Paris", days="3")]), [weather("Paris", days=3)], ["wrong type"]),
    "wrong value": (answer_text([weather("Oslo")]), [A], ["wrong value"]),
    "hallucinated value": (answer_text([weather("Atlantis")]), [A], ["hallucinated value"]),
    "another value than the default": (
        answer_text([weather("Paris", days=3)]),
        [weather("Paris", days=1)],
        ["wrong value"],
    ),
    "two things": (answer_text([weather("Atlantis", x=1)]), [A], ["extra argument", "hallucinated value"]),
}


@pytest.mark.parametrize("text, expected, categories", FAILURES.values(), ids=FAILURES)
def test_what_went_wrong(text: str, expected: list[Call], categories: list[str]) -> None:
    found = failures(judge(text, TOOLS, expected), QUERY)
    assert [failure.category for failure in found] == categories
    assert all(failure.detail for failure in found) and set(categories) <= set(CATEGORIES)


values = st.sampled_from([1, 3, "x", "Paris", "celsius", True, None, [1]])
arguments = st.dictionaries(st.sampled_from(["city", "days", "unit", "alerts", "other"]), values, max_size=4)
call_lists = st.lists(st.builds(Call, st.sampled_from(["get_weather", "book", "ping", "nope"]), arguments), max_size=3)


@settings(max_examples=500)
@given(call_lists, call_lists, st.sampled_from(["", "<tool_call>"]))
def test_a_row_has_a_failure_exactly_when_it_is_no_exact_match(
    emitted: list[Call], expected: list[Call], tail: str
) -> None:
    judgement = judge(answer_text(emitted) + tail, TOOLS, expected)
    assert bool(failures(judgement, QUERY)) is not judgement.exact


def row(row_id: str = "1", text: str = "", expected: tuple[Call, ...] = (A,), tools: object = TOOLS) -> ScoringRow:
    return ScoringRow(row_id, QUERY, json.dumps(tools), expected, text, tools_seen_in_train=True)


def test_the_table() -> None:
    frame = score_rows(
        [
            row("right", answer_text([A])),
            row("wrong", answer_text([B])),
            row("silent", "No.", ()),
            replace(row("long", "No.", ()), finish_reason=TOO_LONG),
            row("parallel", answer_text([A, B]), (B, A), [PING, WEATHER]),
            replace(row("surrogate", "\ud800"), tools_seen_in_train=None),
        ],
        WEIGHTS,
    ).set_index("id")
    assert frame["exact"].tolist() == [1, 0, 1, 0, 1, 0]
    assert frame["call_kind"].tolist() == ["one call"] * 2 + ["no call"] * 2 + ["parallel calls", "one call"]
    assert json.loads(frame.loc["wrong", "failures"])[0][0] == "hallucinated value"
    assert frame.loc["right", "failures"] == "[]"
    assert frame["cluster"].nunique() == 2
    assert frame["tools_seen_in_train"].isna().tolist() == [False] * 5 + [True]


def test_the_order_of_tools_does_not_part_a_cluster() -> None:
    frame = score_rows([row("1", tools=[WEATHER, PING]), row("2", tools=[PING, WEATHER])], WEIGHTS)
    assert frame["cluster"].nunique() == 1


def test_an_answer_that_never_came_is_not_a_miss() -> None:
    rows = [row(str(number), answer_text([A])) for number in range(99)] + [replace(row("99"), finish_reason=FAILED)]
    frame = score_rows(rows, WEIGHTS)
    assert len(frame) == 100 and len(judged(frame)) == 99
    assert judged(frame)["exact"].mean() == 1
    assert frame["exact"].isna().sum() == 1
    with pytest.raises(TooManyFailedError, match=r"1 of 100 rows have no answer \(the first is '99'\)"):
        score_rows(rows, WEIGHTS, max_failed_share=0.005)


@pytest.mark.parametrize("text", ["<think>\nThe user wants", "Let me see. The weather in", ""])
def test_an_answer_that_was_cut_is_never_silence(text: str) -> None:
    frame = score_rows([replace(row("1", text, ()), finish_reason=CUT), row("2", "No.", ())], WEIGHTS)
    assert frame["kept_silent"].tolist() == frame["exact"].tolist() == frame["parse_ok"].tolist() == [0, 1]
    assert frame["cut"].tolist() == [1, 0]
    assert [category for category, _ in json.loads(frame.loc[0, "failures"])] == ["cut"]
    report = build_report({"mine": frame}, WEIGHTS, samples=50)
    shown = results(report)["variants"]["mine"]
    assert (shown["cut_rate"], shown["irrelevance_accuracy"], shown["cut"]) == (0.5, 0.5, 1)
    assert (report.failures["mine"]["cut"], results(report)["gold"]["cut_rate"]) == (1, 0)


def test_whole_calls_before_the_cut_count() -> None:
    answer = replace(row("1", answer_text([A]) + "\nNow I will"), finish_reason=CUT)
    frame = score_rows([answer, replace(answer, text=answer.text + "<tool_call>")], WEIGHTS)
    assert frame["exact"].tolist() == [1, 0] and frame["cut"].tolist() == [1, 1]
    assert json.loads(frame.loc[1, "failures"])[0][0] == "cut", "the block is open because the answer was cut"


def test_gold_is_its_own_ceiling() -> None:
    broken = Call("get_weather", {"town": "Paris"})
    scores = gold_rows(score_rows([row("1"), row("2", expected=()), row("3", expected=(broken,))], WEIGHTS), WEIGHTS)
    assert [score.exact for score in scores] == [1, 1, 1]
    assert [score.schema_ok for score in scores] == [1, 0, 0]


def test_the_reward_is_weighted_as_the_profile_says() -> None:
    values = load_profile("demo").model_dump()
    values["grpo"]["rewards"] |= {"json_parse": 1.0, "schema_hit": 0.0, "simulated_exec": 0.0, "semantic_match": 0.0}
    weights = parse_profile(values, "test").grpo.rewards.model_dump()
    answer = [row("1", answer_text([Call("unknown", {})]))]  # parses, and that is all
    mean = {name: score_rows(answer, found)["reward"].mean() for name, found in (("as", WEIGHTS), ("set", weights))}
    assert mean == {"as": 0.25, "set": 1.0}
    reports = [build_report({"mine": score_rows(answer, found)}, found, samples=50) for found in (WEIGHTS, weights)]
    assert [results(report)["variants"]["mine"]["reward"] for report in reports] == [0.25, 1.0]


def test_bad_input_names_the_row() -> None:
    with pytest.raises(FcAssetsError, match="no row"):
        score_rows([], WEIGHTS)
    with pytest.raises(FcAssetsError, match="row 7: the parameters of the tool 'broken'"):
        score_rows([row("7", tools=[{"name": "broken", "parameters": {"type": "dict"}}])], WEIGHTS)
