"""The embedded generator: xLAM's raw form, determinism, answers that follow from query and tools, real variety."""

import itertools
import json
from collections import Counter

import pytest

from fc_assets.calls.world.words import WORDS
from fc_assets.data.sources.catalogue import OFF_TOPIC, TOOLS
from fc_assets.data.sources.generator import generate_rows

ROWS = list(generate_rows(3000, 42))


def _calls(row: dict) -> list[dict]:
    return json.loads(row["answers"])


def _leaves(value: object) -> list[object]:
    return list(itertools.chain.from_iterable(map(_leaves, value))) if isinstance(value, list) else [value]


def test_rows_have_xlams_raw_form():
    for number, row in enumerate(ROWS):
        assert list(row) == ["id", "query", "answers", "tools"]
        assert row["id"] == number
        assert row["query"].strip()
        assert 1 <= len(json.loads(row["tools"])) <= 3
        for tool in json.loads(row["tools"]):
            assert list(tool) == ["name", "description", "parameters"]
            assert all({"description", "type"} <= set(parameter) for parameter in tool["parameters"].values())


def test_same_seed_same_rows_and_longer_runs_begin_alike():
    assert list(generate_rows(3000, 42)) == ROWS
    assert list(generate_rows(100, 42)) == ROWS[:100]
    assert list(generate_rows(100, 43)) != ROWS[:100]


def test_it_streams():
    endless = generate_rows(600_000, 0)
    assert [row["id"] for row in itertools.islice(endless, 5)] == [0, 1, 2, 3, 4]


def test_calls_name_offered_tools_and_fit_their_parameters():
    kinds = {"str": str, "int": int, "float": float, "bool": bool, "List[str]": list, "List[int]": list}
    for row in ROWS:
        tools = {tool["name"]: tool["parameters"] for tool in json.loads(row["tools"])}
        for call in _calls(row):
            parameters = tools[call["name"]]
            required = {name for name, parameter in parameters.items() if "default" not in parameter}
            assert required <= set(call["arguments"]) <= set(parameters)
            for name, value in call["arguments"].items():
                assert type(value) is kinds[parameters[name]["type"].removesuffix(", optional")]


def test_values_stand_in_the_query():
    for row in ROWS:
        for call in _calls(row):
            for leaf in itertools.chain.from_iterable(map(_leaves, call["arguments"].values())):
                assert leaf is True or str(leaf) in row["query"]


def test_no_call_repeats_within_a_row():
    for row in ROWS:
        texts = [json.dumps(call) for call in _calls(row)]
        assert len(set(texts)) == len(texts)


def test_irrelevance_share():
    assert sum(not _calls(row) for row in ROWS) / len(ROWS) == pytest.approx(0.1, abs=0.02)
    assert all(not _calls(row) for row in generate_rows(50, 1, irrelevance_share=1.0))
    assert all(_calls(row) for row in generate_rows(50, 1, irrelevance_share=0.0))


def test_mix_of_kinds():
    counts = Counter((len(calls), len({call["name"] for call in calls})) for calls in map(_calls, ROWS) if calls)
    total = sum(counts.values())
    assert counts[1, 1] / total == pytest.approx(0.7, abs=0.04)
    assert counts[2, 1] / total == pytest.approx(0.15, abs=0.04)
    assert counts[2, 2] / total == pytest.approx(0.15, abs=0.04)


def test_queries_rarely_repeat():
    assert len({row["query"] for row in ROWS}) / len(ROWS) > 0.98


def test_broken_rows_follow_the_good_ones():
    rows = list(generate_rows(20, 3, broken_rows=11))
    assert rows[:20] == list(generate_rows(20, 3))
    assert [row["id"] for row in rows] == list(range(31))
    for row in rows[20:]:
        assert _is_broken(row), row


def _is_broken(row: dict) -> bool:
    if not row.get("query") or not row.get("tools"):
        return True
    tools = json.loads(row["tools"])
    if not tools or any(not isinstance(tool["parameters"], dict) for tool in tools):
        return True
    try:
        calls = json.loads(row["answers"])
    except json.JSONDecodeError:
        return True
    names = {tool["name"] for tool in tools}
    return not isinstance(calls, list) or any(
        call["name"] not in names or not isinstance(call["arguments"], dict) for call in calls
    )


@pytest.mark.parametrize(("rows", "broken", "share"), [(-1, 0, 0.1), (1, -1, 0.1), (1, 0, 1.5), (1, 0, -0.1)])
def test_impossible_arguments_are_refused(rows: int, broken: int, share: float):
    with pytest.raises(ValueError, match="must"):
        next(generate_rows(rows, 0, broken_rows=broken, irrelevance_share=share))


def test_catalogue_is_consistent():
    assert len({tool.name for tool in TOOLS}) == len(TOOLS)
    for tool in TOOLS:
        optional = {name for name, parameter in tool.parameters.items() if parameter.default is not None}
        for phrasing in tool.phrasings:
            mentioned = {name for name in tool.parameters if f"{{{name}}}" in phrasing.text} | set(phrasing.stated)
            assert set(tool.parameters) - optional <= mentioned
    for text in OFF_TOPIC:
        text.format(**{pool: "x" for pool in WORDS})
