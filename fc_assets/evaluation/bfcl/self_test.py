"""The test of the checker itself, with answers whose worth is known: made from the gold, and spoilt on purpose.

A checker that cannot tell the two apart, for want of a package or after an update, would make a score of any model
worthless. So every run has a few such answers judged beside the model's, and believes nothing where one of them is
judged otherwise. Judging is `scores`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import answer_text
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.bfcl.model import MEMORY, RELEVANCE, BfclAttempt, BfclRow

ORACLE, CORRUPTED = "oracle", "corrupted"
"""The two sets of answers."""

ROWS_EACH = 2
"""Rows of each category whose answers are judged in every run."""

UNREACHABLE = frozenset(
    (
        *("live_simple_106-63-0", "live_simple_112-68-0", "live_multiple_862-181-3", "live_multiple_964-207-0"),
        *(f"simple_java_{number}" for number in (22, 35, 36, 65, 78, 83, 85, 86, 89, 90, 91)),
    )
)
"""Rows that an answer made from their gold does not get right: the gold of the live ones contradicts their schema, and
the Java ones want source text of which the gold holds only the value."""

_JAVA_TYPE = re.compile(r"This is Java (\w+)\b")


def oracle(row: BfclRow) -> BfclAttempt:
    """The attempt that the gold describes: the first possible value of each argument, silence, or the words."""
    if row.category in MEMORY:
        assert row.possible_answers, row.id
        return _attempt(row, [[f"{{'answer': '{row.possible_answers[0]}', 'context': 'I was told.'}}"]])
    if row.is_conversation:
        turns = [[_call(source, row) for source in turn] for turn in row.possible_answers or ()]
        return _attempt(row, [[*([answer_text(calls)] if calls else []), "Done."] for calls in turns])
    if row.possible_answers is None:
        calls = [Call(row.functions[0]["name"], {})] if row.category == RELEVANCE else []
    else:
        calls = [_gold_call(possible, row) for possible in row.possible_answers]
    return _attempt(row, answer_text(calls) if calls else "None of the functions can do this.")


def corrupted(row: BfclRow) -> BfclAttempt:
    """The oracle's attempt with one thing wrong: a name, a call too many, or the last turn's calls left out."""
    right = oracle(row)
    if row.category in MEMORY:
        return replace(right, result=[["{'answer': 'I do not know', 'context': 'I was not told.'}"]])
    if row.is_conversation:
        last = max(place for place, turn in enumerate(row.possible_answers or ()) if turn)
        turns = [["Done."] if place == last else turn for place, turn in enumerate(right.result)]
        return replace(right, result=turns)
    if row.wants_silence:
        return replace(right, result=answer_text([Call("not_asked_for", {})]))
    if row.category == RELEVANCE:
        return replace(right, result="None of the functions can do this.")
    return replace(right, result=str(right.result).replace('{"name": "', '{"name": "not_', 1))


def self_test_sets(rows: Sequence[BfclRow], each: int = ROWS_EACH) -> dict[str, list[BfclAttempt]]:
    """Both sets for the first `each` rows of every category; 0 takes all that can be got right."""
    chosen: list[BfclRow] = []
    for category in dict.fromkeys(row.category for row in rows):
        of_category = [row for row in rows if row.category == category and row.id not in UNREACHABLE]
        chosen += of_category[: each or len(of_category)]
    return {ORACLE: [oracle(row) for row in chosen], CORRUPTED: [corrupted(row) for row in chosen]}


def check(sets: Mapping[str, Sequence[BfclAttempt]], wrong: Mapping[str, Mapping[str, str]]) -> int:
    """The number of oracle answers that were judged; `wrong` is by set and row id.

    Raises FcAssetsError where one of them was not right, or a corrupted one not wrong.
    """
    asked = [attempt.row.id for attempt in sets[ORACLE]]
    refused = [row for row in asked if row in wrong[ORACLE]]
    passed = [row for row in asked if row not in wrong[CORRUPTED]]
    if refused:
        reason = wrong[ORACLE][refused[0]]
        raise FcAssetsError(
            f"The BFCL checker's self-test failed: it calls {len(refused)} of {len(asked)} right answers wrong (the "
            f"first is {refused[0]}: {reason}), so no score is believed. Make its environment again from "
            "requirements/bfcl.txt"
        )
    if passed:
        raise FcAssetsError(
            f"The BFCL checker's self-test failed: it calls {len(passed)} of {len(asked)} wrong answers right (the "
            f"first is {passed[0]}), so no score is believed. Make its environment again from requirements/bfcl.txt"
        )
    return len(asked)


def _attempt(row: BfclRow, result: str | Sequence[Sequence[str]]) -> BfclAttempt:
    return BfclAttempt(row, result, "", "stop", 0, 1)


def _call(source: str, row: BfclRow) -> Call:
    """A call in Python source, as the gold of conversations has it; positional arguments get their names."""
    node = ast.parse(source, mode="eval").body
    assert isinstance(node, ast.Call), source
    name = ast.unparse(node.func)
    names = next(list(each["parameters"]["properties"]) for each in row.functions if each["name"] == name)
    arguments = {key: ast.literal_eval(value) for key, value in zip(names, node.args, strict=False)}
    return Call(name, arguments | {str(each.arg): ast.literal_eval(each.value) for each in node.keywords})


def _gold_call(possible: Mapping[str, Mapping[str, Sequence[Any]]], row: BfclRow) -> Call:
    """The first possible value of each argument; "" marks an argument that may be left out."""
    ((name, arguments),) = possible.items()
    function = next(each for each in row.functions if each["name"] == name)
    required = function["parameters"].get("required", ())
    values = {
        key: _plain(next((option for option in options if option != ""), options[0] if options else []))
        for key, options in arguments.items()
        if "" not in options or key in required
    }
    if row.category == "simple_javascript":  # wants source text, not values
        values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    if row.category == "simple_java":
        described = function["parameters"]["properties"]
        values = {key: _java(value, described[key].get("description", "")) for key, value in values.items()}
    return Call(name, values)


def _plain(option: object) -> object:
    """A gold value as a model would give it: a dictionary lists the possible values of each of its keys."""
    if isinstance(option, dict):
        return {name: values[0] if values else [] for name, values in option.items() if "" not in values}
    return [_plain(item) for item in option] if isinstance(option, list) else option


def _java(value: object, description: str) -> str:
    """A value as Java source of the type that the description names."""
    found = _JAVA_TYPE.search(description)
    kind = found[1] if found else ""
    if isinstance(value, list):
        inside = ", ".join(_java_element(item) for item in value)
        return f"new ArrayList<>(Arrays.asList({inside}))" if kind == "ArrayList" else f"new Object[]{{{inside}}}"
    if isinstance(value, dict):
        puts = " ".join(f"put({json.dumps(key)}, {_java_element(item)});" for key, item in value.items())
        return f"new HashMap<>() {{{{ {puts} }}}}"
    if isinstance(value, str):
        return value
    return json.dumps(value) + {"long": "L", "float": "f"}.get(kind, "")


def _java_element(item: object) -> str:
    return json.dumps(item)
