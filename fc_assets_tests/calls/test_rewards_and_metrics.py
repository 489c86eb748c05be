"""Rewards and row scores: every edge of docs/metrics.md, and the properties that hold for all calls."""

from __future__ import annotations

from dataclasses import astuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fc_assets.calls.call import Call
from fc_assets.calls.metrics import aggregate, score_row
from fc_assets.calls.prompts import answer_text
from fc_assets.calls.rewards import rewards
from fc_assets_tests.support.tools import TOOLS, WEIGHTS, weather

A, B, PING = weather("A"), weather("B"), Call("ping", {})
BAD = Call("get_weather", {"town": "A"})
BROKEN = '<tool_call>{"name": </tool_call>'

# text, expected, (json_parse, schema_hit, simulated_exec, semantic_match)
REWARDS = {
    "right": (answer_text([A]), [A], (1, 1, 1, 1)),
    "wrong value": (answer_text([B]), [A], (1, 1, 1, 0)),
    "does not execute": (answer_text([BAD]), [A], (1, 1, 0, 0)),
    "wrong tool, well formed": (answer_text([PING]), [A], (1, 0, 1, 0)),
    "unknown tool": (answer_text([Call("nope", {"city": "A"})]), [A], (1, 0, 0, 0)),
    "one of two": (answer_text([A]), [A, B], (1, 2 / 3, 1, 2 / 3)),
    "a duplicate": (answer_text([A, A]), [A], (1, 2 / 3, 1 / 2, 2 / 3)),
    "an extra call": (answer_text([A, PING]), [A], (1, 2 / 3, 1 / 2, 1)),
    "an extra call does not make up for a bad one": (answer_text([BAD, PING]), [A], (1, 2 / 3, 0, 0)),
    "no call": ("The weather is fine.", [A], (0, 0, 0, 0)),
    "malformed": (BROKEN, [A], (0, 0, 0, 0)),
    "one good block, one malformed": (answer_text([A]) + BROKEN, [A], (0, 0, 0, 0)),
    "thinking that never ends": ("<think>" + answer_text([A]), [A], (0, 0, 0, 0)),
    "rightly silent": ("I have no tool for that.", [], (1, 1, 1, 1)),
    "silent without a word": ("", [], (1, 1, 1, 1)),
    "a call too many": (answer_text([A]), [], (0, 0, 0, 0)),
    "a malformed block is a call too many": ("No. " + BROKEN, [], (0, 0, 0, 0)),
    "no arguments on either side": (answer_text([PING]), [PING], (1, 1, 1, 1)),
}


@pytest.mark.parametrize("text, expected, signals", REWARDS.values(), ids=REWARDS)
def test_the_four_rewards(text: str, expected: list[Call], signals: tuple[float, ...]) -> None:
    found = rewards(text, TOOLS, expected)
    assert astuple(found)[:4] == pytest.approx(signals)
    assert found.total(WEIGHTS) == pytest.approx(sum(signals) / 4)
    assert found.total({"json_parse": 1.0}) == signals[0]
    row = score_row(text, TOOLS, expected, "", WEIGHTS)
    assert row.reward == found.total(WEIGHTS)


GATED = {
    "right": 1,
    "wrong value": 1 / 4,
    "does not execute": 1 / 4,
    "wrong tool, well formed": 1 / 4,
    "one of two": (1 + 2 / 3 * (1 + 2 / 3 * 2)) / 4,
    "an extra call": (1 + 1 * (1 + 2 / 3 * (1 + 1 / 2))) / 4,
    "no call": 0,
    "malformed": 0,
    "rightly silent": 1,
    "a call too many": 0,
    "no arguments on either side": 1,
}


@pytest.mark.parametrize("case", GATED)
def test_the_gated_reward_counts_a_signal_only_as_far_as_those_before_it(case: str) -> None:
    text, expected, _ = REWARDS[case]
    assert rewards(text, TOOLS, expected).gated == pytest.approx(GATED[case])


def test_by_default_the_gated_reward_weighs_nothing() -> None:
    assert WEIGHTS["gated"] == 0 and {WEIGHTS[name] for name in list(WEIGHTS)[:4]} == {0.25}


def test_hygiene_prefers_the_answer_alone() -> None:
    answer = answer_text([A])
    assert rewards(answer, TOOLS, [A]).hygiene == 1
    assert rewards("Well, let me see. " * 20 + answer, TOOLS, [A]).hygiene < 0.3
    assert rewards("word " * 1000, TOOLS, []).hygiene < rewards("No.", TOOLS, []).hygiene == 1


# text, expected, the metrics of that one row that the case is about
METRICS = {
    "prose where no call is expected": (
        "No tool does that.",
        [],
        {"parse_rate": 1, "function_name_accuracy": 1, "exact_match": 1, "irrelevance_accuracy": 1, "over_call_rate": 0,
         "schema_hit": None, "exec_rate": None, "param_f1": None, "param_f1_macro": 1, "semantic_consistency": None},
    ),
    "a malformed block where no call is expected": (
        BROKEN,
        [],
        {"parse_rate": 0, "function_name_accuracy": 0, "exact_match": 0, "irrelevance_accuracy": 0, "over_call_rate": 1,
         "param_f1_macro": 0},
    ),
    "a call where none is expected": (
        answer_text([A]),
        [],
        {"parse_rate": 1, "function_name_accuracy": 0, "over_call_rate": 1, "param_precision": 0, "param_recall": None,
         "param_f1": 0, "param_f1_macro": 0, "schema_hit": None, "schema_hit_per_call": 1},
    ),
    "no call where one is expected": (
        "Fine.",
        [A],
        {"parse_rate": 0, "schema_hit": 0, "exec_rate": 0, "param_recall": 0, "param_precision": None, "param_f1": 0,
         "exact_match": 0, "irrelevance_accuracy": None, "schema_hit_per_call": None},
    ),
    "a good block beside a malformed one": (
        answer_text([A]) + BROKEN,
        [A],
        {"parse_rate": 0, "function_name_accuracy": 0, "function_name_f1": 2 / 3, "param_f1": 1, "schema_hit": 0,
         "schema_hit_per_call": 0.5, "exec_rate": 0, "exact_match": 0},
    ),
    "a default stated": (answer_text([weather("A", days=1)]), [A], {"exact_match": 1, "exec_match": 1, "param_f1": 1}),
    "an argument too many": (
        answer_text([weather("A", days=2)]),
        [A],
        {"exact_match": 0, "schema_hit": 1, "exec_rate": 1, "exec_match": 0, "param_precision": 0.5, "param_recall": 1},
    ),
    "an undeclared argument": (answer_text([weather("A", x=2)]), [A], {"schema_hit": 0, "exec_rate": 0}),
    "gold that breaks its own schema": (
        answer_text([BAD]),
        [BAD],
        {"exact_match": 1, "schema_hit": 0, "exec_rate": 0, "exec_match": 0, "param_f1": 1},
    ),
    "a fenced call where none is expected is silence to a server": (
        '```json\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n```', [],
        {"irrelevance_accuracy": 1, "exact_match": 1, "exact_match_lenient": 0, "over_call_rate": 0},
    ),
    "only lenient reads it": (
        "<tool_call>{'name': 'get_weather', 'arguments': {'city': 'a', 'days': '3'}}</tool_call>",
        [weather("A", days=3)],
        {"parse_rate": 0, "parse_rate_lenient": 1, "exact_match": 0, "exact_match_lenient": 1, "param_f1": 0,
         "param_f1_lenient": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize("text, expected, wanted", METRICS.values(), ids=METRICS)
def test_one_row(text: str, expected: list[Call], wanted: dict[str, float | None]) -> None:
    found = aggregate([score_row(text, TOOLS, expected, "", WEIGHTS)])
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)


def test_micro_and_macro_over_several_rows() -> None:
    rows = [
        score_row(answer_text([weather("A", days=2)]), TOOLS, [weather("A", days=3)], "", WEIGHTS),  # 1 of 2 and 2
        score_row(answer_text([B]), TOOLS, [B], "", WEIGHTS),
        score_row("No.", TOOLS, [], "", WEIGHTS),
    ]
    found = aggregate(rows)
    assert found["param_f1"] == pytest.approx(2 * 2 / (3 + 3))
    assert found["param_f1_macro"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert found["exact_match"] == pytest.approx(2 / 3)
    assert found["schema_hit"] == 1


values = st.sampled_from([1, 2, 2.5, "x", "celsius", True, None, [1], {"name": "n"}])
arguments = st.dictionaries(st.sampled_from(["city", "days", "unit", "type", "seats", "other"]), values, max_size=4)
calls = st.builds(Call, st.sampled_from(["get_weather", "book", "ping", "nope"]), arguments)
call_lists = st.lists(calls, max_size=4)
GOLD = (
    "parse_rate",
    "function_name_accuracy",
    "function_name_f1",
    "exact_match",
    "exact_match_lenient",
    "param_f1_macro",
)


@given(call_lists)
def test_gold_against_gold_is_perfect(expected: list[Call]) -> None:
    row = score_row(answer_text(expected) if expected else "No.", TOOLS, expected, "", WEIGHTS)
    found = aggregate([row])
    assert all(found[name] == 1 for name in GOLD if found[name] is not None)
    assert found["param_f1"] in (1, None) and found["param_f1_lenient"] in (1, None)
    assert row.reward_json_parse == row.reward_schema_hit == row.reward_semantic_match == 1


@given(call_lists, call_lists)
def test_the_gated_reward_never_pays_more_than_the_sum(emitted: list[Call], expected: list[Call]) -> None:
    found = rewards(answer_text(emitted) if emitted else "No.", TOOLS, expected)
    assert 0 <= found.gated <= found.total(WEIGHTS) + 1e-12


@given(call_lists, call_lists, st.randoms(use_true_random=False))
def test_permuting_calls_changes_nothing(emitted: list[Call], expected: list[Call], random: object) -> None:
    before = score_row(answer_text(emitted), TOOLS, expected, "x", WEIGHTS)
    random.shuffle(emitted)
    random.shuffle(expected)
    assert score_row(answer_text(emitted), TOOLS, expected, "x", WEIGHTS) == before


FALLING = (
    *("parse_rate", "function_name_accuracy", "exact_match", "param_f1", "param_f1_macro"),
    *("schema_hit", "exec_rate", "exec_match"),
    *("reward", "reward_json_parse", "reward_schema_hit", "reward_simulated_exec", "reward_semantic_match"),
)


@settings(max_examples=300)
@given(call_lists, call_lists, calls, st.booleans())
def test_an_extra_call_never_raises_a_score(
    emitted: list[Call], expected: list[Call], extra: Call, from_gold: bool
) -> None:
    """Extra: beyond a perfect answer, or beyond the expected number and of a name that nobody asked for."""
    if from_gold:
        emitted = expected
    elif len(emitted) < len(expected) or extra.name in {call.name for call in expected}:
        return
    before = aggregate([score_row(answer_text(emitted), TOOLS, expected, "", WEIGHTS)])
    after = aggregate([score_row(answer_text([*emitted, extra]), TOOLS, expected, "", WEIGHTS)])
    for name in FALLING:
        if before[name] is not None:
            assert (after[name] or 0) <= before[name] + 1e-12, name


@given(st.text(), call_lists)
def test_no_text_makes_scoring_raise(text: str, expected: list[Call]) -> None:
    for wrapped in (text, f"<tool_call>{text}</tool_call>"):
        score = score_row(wrapped, TOOLS, expected, text, WEIGHTS)
        assert 0 <= score.reward <= 1
