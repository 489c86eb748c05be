"""Curation as a whole: repeats, near-duplicates, BFCL's questions, and what becomes of imperfect calls."""

import json

import pytest

from fc_assets.data.curation.curate import FLAG_BFCL, FLAG_NEAR_DUPLICATE
from fc_assets.data.curation.gold import FLAG_COERCED, FLAG_IMPERFECT
from fc_assets.data.rows.normalise import Example
from fc_assets_tests.support.curation_rows import GOOD, TOOL, booking, curated_rows

LONG = "Please book a table for {} people at the old harbour restaurant by the river, if it is not raining at all there"


def test_exact_repeats_go():
    rows = [
        booking("1", "Book Rome", GOOD),
        booking("2", "book  ROME!", GOOD),
        booking("3", "Book Rome", {**GOOD, "people": 3}),
    ]
    kept, report = curated_rows(rows)
    assert [curated.example.id for curated in kept] == ["1", "3"]
    assert report.dropped == [("2", "exact duplicate")]
    assert report.read == 3


@pytest.mark.parametrize("mode", ["keep", "flag", "drop"])
def test_near_duplicates(mode: str):
    rows = [
        booking("1", LONG.format(2), GOOD),
        booking("2", LONG.format(2) + " today", GOOD),
        booking("3", "Other", GOOD),
    ]
    kept, report = curated_rows(rows, near_duplicates=mode)
    ids = [curated.example.id for curated in kept]
    if mode == "drop":
        assert ids == ["1", "3"]
        assert report.dropped == [("2", "near-duplicate")]
    else:
        assert ids == ["1", "2", "3"]
        assert (FLAG_NEAR_DUPLICATE in kept[1].example.flags) == (mode == "flag")
        assert (kept[0].question == kept[1].question) == (mode == "flag")


@pytest.mark.parametrize("mode", ["keep", "flag", "drop"])
def test_bfcl_questions(mode: str):
    rows = [
        booking("1", "Book a TABLE!", GOOD),
        booking("2", LONG.format(4) + " now", GOOD),
        booking("3", "Other", GOOD),
    ]
    kept, report = curated_rows(rows, ["book a table", LONG.format(4)], bfcl=mode)
    flagged = {curated.example.id for curated in kept if FLAG_BFCL in curated.example.flags}
    assert flagged == ({"1", "2"} if mode == "flag" else set())
    assert len(report.dropped) == (2 if mode == "drop" else 0)
    assert report.bfcl_questions == 2


CONVERSATION = [
    {"from": "human", "value": "Book Rome for two"},
    {"from": "function_call", "value": json.dumps({"name": "book_table", "arguments": GOOD})},
    {"from": "observation", "value": "done"},
    {"from": "gpt", "value": "Done."},
    {"from": "human", "value": "Now Oslo, for three!"},
    {"from": "function_call", "value": '{"name": "book_table", "arguments": {"place": "Oslo", "people": "3"}}'},
]


def _conversation(row_id: str) -> Example:
    return booking(row_id, "Book Rome for two", GOOD)._replace(turns=json.dumps(CONVERSATION))


@pytest.mark.parametrize("mode", ["keep", "coerce", "drop"])
def test_every_call_of_a_conversation_is_audited(mode: str):
    kept, report = curated_rows([_conversation("1")], gold=mode)
    assert report.gold_causes == {"value of another type": 1}
    if mode == "drop":
        assert kept == []
        return
    ((example, *_),) = kept
    wanted = [*CONVERSATION]
    if mode == "coerce":
        mended = {"name": "book_table", "arguments": {"place": "Oslo", "people": 3}}
        wanted[5] = {"from": "function_call", "value": json.dumps(mended)}
    assert json.loads(example.turns) == wanted
    assert example.flags == (FLAG_COERCED if mode == "coerce" else FLAG_IMPERFECT,)


@pytest.mark.parametrize("near", ["keep", "flag"])
def test_a_bfcl_question_later_in_a_conversation_is_found(near: str):
    kept, report = curated_rows([_conversation("1")], ["now oslo for THREE"], near_duplicates=near)
    assert kept == []
    assert report.dropped == [("1", "repeats a BFCL question")]


def test_gold_modes():
    rows = [
        booking("1", "a", GOOD),
        booking("2", "b", {**GOOD, "people": "2"}),
        booking("3", "c", {"place": "Rome"}),
    ]
    kept, report = curated_rows(rows, gold="keep")
    assert [curated.example.flags for curated in kept] == [(), (FLAG_IMPERFECT,), (FLAG_IMPERFECT,)]
    kept, report = curated_rows(rows, gold="coerce")
    assert [curated.example.flags for curated in kept] == [(), (FLAG_COERCED,), (FLAG_IMPERFECT,)]
    assert report.coerced == 1
    assert report.gold_causes == {"value of another type": 1, "required argument is missing": 1}
    kept, report = curated_rows(rows, gold="drop")
    assert [curated.example.id for curated in kept] == ["1"]


@pytest.mark.parametrize(("policy", "kept"), [("drop", ["first"]), ("flag", ["first", "second"])])
def test_a_later_question_that_nearly_repeats_one_of_another_conversation_counts(policy: str, kept: list[str]) -> None:
    asked = "Please find me a table for two people in the old harbour of Bergen on Friday evening at eight"

    def talk(row_id: str, opening: str, second: str) -> Example:
        said = [opening, second, second.replace("eight", "nine")]  # its own questions may be like each other
        turns = [
            {"from": speaker, "value": value}
            for question in said
            for speaker, value in (
                ("human", question),
                ("function_call", json.dumps({"name": TOOL["name"], "arguments": GOOD})),
            )
        ]
        return booking(row_id, opening, GOOD)._replace(turns=json.dumps(turns))

    rows = [talk("first", "Good morning from Norway, to all", asked), talk("second", "I am back again", f"{asked} now")]
    curated, _ = curated_rows(rows, near_duplicates=policy, near_duplicate_similarity=0.7)
    assert [each.example.id for each in curated] == kept
    assert FLAG_NEAR_DUPLICATE not in curated[0].example.flags
    if policy == "flag":
        assert FLAG_NEAR_DUPLICATE in curated[1].example.flags
        assert curated[1].later[0] == curated[0].later[0], "both stand for one question, so they stay on one side"
