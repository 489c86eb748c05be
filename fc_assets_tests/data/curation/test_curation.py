"""Curation: repeats, BFCL's questions, expected calls that fail their schema, irrelevance, masking, observations."""

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.data.curation.bfcl_questions import questions_folder, read_questions
from fc_assets.data.curation.curate import (
    FLAG_BFCL,
    FLAG_NEAR_DUPLICATE,
    Curated,
    CurationReport,
    curate,
)
from fc_assets.data.curation.gold import FLAG_COERCED, FLAG_IMPERFECT, audit
from fc_assets.data.curation.irrelevance import FLAG_MADE, IrrelevanceMaker, missing_rate
from fc_assets.data.curation.masking import mask, masker
from fc_assets.data.curation.observations import with_observation
from fc_assets.data.rows.normalise import Example, normalise_row
from fc_assets.data.rows.queries import normal_query
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.generator import generate_rows
from fc_assets.errors import FcAssetsError
from fc_assets.profiles import CurationSettings

READER = ToolReader()
EXAMPLES = [normalise_row(row, READER, source="test") for row in generate_rows(400, 9, irrelevance_share=0.0)]
TOOL = {
    "name": "book_table",
    "parameters": {
        "place": {"type": "str"},
        "people": {"type": "int"},
        "tags": {"type": "List[str]", "default": "[]"},
        "kind": {"type": "Literal['in', 'out']", "default": "in"},
    },
}
LONG = "Please book a table for {} people at the old harbour restaurant by the river, if it is not raining at all there"


def _example(row_id: str, query: str, arguments: dict | None = None, tool: dict = TOOL) -> Example:
    calls = [] if arguments is None else [{"name": tool["name"], "arguments": arguments}]
    return normalise_row({"id": row_id, "query": query, "answers": calls, "tools": [tool]}, READER)


def _curate(examples: Sequence[Example], questions: Sequence[str] = (), rate: float = 0.0, **settings):
    report = CurationReport()
    maker = IrrelevanceMaker(rate, 42)
    chosen = CurationSettings(**settings)
    return list(curate(examples, chosen, report, bfcl_questions=questions, irrelevance=maker)), report


GOOD = {"place": "Rome", "people": 2}


def test_exact_repeats_go():
    rows = [
        _example("1", "Book Rome", GOOD),
        _example("2", "book  ROME!", GOOD),
        _example("3", "Book Rome", {**GOOD, "people": 3}),
    ]
    kept, report = _curate(rows)
    assert [curated.example.id for curated in kept] == ["1", "3"]
    assert report.dropped == [("2", "exact duplicate")]
    assert report.read == 3


@pytest.mark.parametrize("mode", ["keep", "flag", "drop"])
def test_near_duplicates(mode: str):
    rows = [
        _example("1", LONG.format(2), GOOD),
        _example("2", LONG.format(2) + " today", GOOD),
        _example("3", "Other", GOOD),
    ]
    kept, report = _curate(rows, near_duplicates=mode)
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
        _example("1", "Book a TABLE!", GOOD),
        _example("2", LONG.format(4) + " now", GOOD),
        _example("3", "Other", GOOD),
    ]
    kept, report = _curate(rows, ["book a table", LONG.format(4)], bfcl=mode)
    flagged = {curated.example.id for curated in kept if FLAG_BFCL in curated.example.flags}
    assert flagged == ({"1", "2"} if mode == "flag" else set())
    assert len(report.dropped) == (2 if mode == "drop" else 0)
    assert report.bfcl_questions == 2


@pytest.mark.parametrize(
    ("arguments", "cause", "mended"),
    [
        (GOOD, "", GOOD),
        ({"place": "Rome", "people": "2"}, "value of another type", GOOD),
        ({"place": 5, "people": 2}, "value of another type", {"place": "5", "people": 2}),
        ({**GOOD, "tags": '["a"]'}, "value of another type", {**GOOD, "tags": ["a"]}),
        ({"place": "Rome", "people": "two"}, "value of another type", None),
        ({"place": "Rome"}, "required argument is missing", None),
        ({**GOOD, "hour": 8}, "argument is not declared", None),
        ({**GOOD, "kind": "both"}, "value breaks the schema", None),
    ],
)
def test_gold_audit(arguments: dict, cause: str, mended: dict | None):
    example = _example("1", "Book", arguments)
    verdict = audit(example.tools, example.calls, coerce=True)
    assert verdict.cause == cause
    assert verdict.perfect == (mended is not None)
    assert json.loads(verdict.calls)[0]["arguments"] == (mended or arguments)
    plain = audit(example.tools, example.calls, coerce=False)
    assert plain.perfect == (not cause)
    assert plain.calls == example.calls


CONVERSATION = [
    {"from": "human", "value": "Book Rome for two"},
    {"from": "function_call", "value": json.dumps({"name": "book_table", "arguments": GOOD})},
    {"from": "observation", "value": "done"},
    {"from": "gpt", "value": "Done."},
    {"from": "human", "value": "Now Oslo, for three!"},
    {"from": "function_call", "value": '{"name": "book_table", "arguments": {"place": "Oslo", "people": "3"}}'},
]


def _conversation(row_id: str) -> Example:
    return _example(row_id, "Book Rome for two", GOOD)._replace(turns=json.dumps(CONVERSATION))


@pytest.mark.parametrize("mode", ["keep", "coerce", "drop"])
def test_every_call_of_a_conversation_is_audited(mode: str):
    kept, report = _curate([_conversation("1")], gold=mode)
    assert report.gold_causes == {"value of another type": 1}
    if mode == "drop":
        assert kept == []
        return
    ((example, _),) = kept
    wanted = [*CONVERSATION]
    if mode == "coerce":
        mended = {"name": "book_table", "arguments": {"place": "Oslo", "people": 3}}
        wanted[5] = {"from": "function_call", "value": json.dumps(mended)}
    assert json.loads(example.turns) == wanted
    assert example.flags == (FLAG_COERCED if mode == "coerce" else FLAG_IMPERFECT,)


@pytest.mark.parametrize("near", ["keep", "flag"])
def test_a_bfcl_question_later_in_a_conversation_is_found(near: str):
    kept, report = _curate([_conversation("1")], ["now oslo for THREE"], near_duplicates=near)
    assert kept == []
    assert report.dropped == [("1", "repeats a BFCL question")]


@given(st.text(st.characters(max_codepoint=127)))
def test_the_normal_form_of_ascii_is_words_in_lower_case(query: str):
    assert normal_query(query) == (" ".join(re.findall(r"\w+", query.lower())) or query)


def test_gold_modes():
    rows = [
        _example("1", "a", GOOD),
        _example("2", "b", {**GOOD, "people": "2"}),
        _example("3", "c", {"place": "Rome"}),
    ]
    kept, report = _curate(rows, gold="keep")
    assert [curated.example.flags for curated in kept] == [(), (FLAG_IMPERFECT,), (FLAG_IMPERFECT,)]
    kept, report = _curate(rows, gold="coerce")
    assert [curated.example.flags for curated in kept] == [(), (FLAG_COERCED,), (FLAG_IMPERFECT,)]
    assert report.coerced == 1
    assert report.gold_causes == {"value of another type": 1, "required argument is missing": 1}
    kept, report = _curate(rows, gold="drop")
    assert [curated.example.id for curated in kept] == ["1"]


def test_irrelevance_rows_reach_their_share_with_tools_that_cannot_answer():
    rate = missing_rate(0.1, len(EXAMPLES), 0)
    kept, report = _curate(EXAMPLES, rate=rate)
    made = [curated for curated in kept if FLAG_MADE in curated.example.flags]
    assert len(made) == report.made_irrelevant
    assert len(made) / len(kept) == pytest.approx(0.1, abs=0.03)
    by_id = {example.id: example for example in EXAMPLES}
    for example, question in made:
        origin = by_id[example.id.removesuffix("-irrelevant")]
        assert (example.query, example.calls) == (origin.query, "[]")
        wanted = {call["name"] for call in json.loads(origin.calls)}
        assert not wanted & {tool["name"] for tool in json.loads(example.tools)}
        assert Curated(origin, question) in kept
    assert kept == _curate(EXAMPLES, rate=rate)[0]


def test_missing_rate():
    assert missing_rate(0.1, 90, 0) == pytest.approx(10 / 90)
    assert missing_rate(0.1, 100, 10) == 0.0
    assert missing_rate(0.1, 100, 50) == 0.0
    assert missing_rate(0.0, 100, 0) == 0.0
    assert missing_rate(1.0, 100, 100) == 0.0


def test_masking_hides_names_and_keeps_the_calls_valid():
    example = normalise_row(
        {
            "id": 1,
            "query": "Use book_table for 2 people: place Rome.",
            "answers": [{"name": "book_table", "arguments": GOOD}],
            "tools": [TOOL, {"name": "other", "parameters": {"people": {"type": "int", "default": 4}}}],
        },
        READER,
    )
    masked = mask(example, random.Random(1))
    for hidden in ("book_table", "other", "people", "place", "tags"):
        assert f'"{hidden}"' not in masked.tools + masked.calls
    assert "book_table" not in masked.query
    assert "place Rome" in masked.query  # a plain word of the language stays
    tools, calls = json.loads(masked.tools), json.loads(masked.calls)
    assert sorted(calls[0]["arguments"].values(), key=str) == [2, "Rome"]
    compiled = compile_tools(masked.tools)
    assert audit(masked.tools, masked.calls, coerce=False).perfect
    assert compiled.first(tools[1]["name"]).defaults
    assert mask(example, random.Random(1)) == masked


def test_masked_share():
    assert masker(0.0, 42) is None
    variant = masker(0.3, 42)
    assert sum(variant(example) is not None for example in EXAMPLES) / len(EXAMPLES) == pytest.approx(0.3, abs=0.08)


def test_masked_rows_still_earn_full_reward():
    variant = masker(1.0, 42)
    for example in EXAMPLES[:100]:
        masked = variant(example)
        assert audit(masked.tools, masked.calls, coerce=False).perfect


def test_observations_come_from_the_stubs():
    turns = json.loads(with_observation(_example("1", "Book", GOOD)).turns)
    assert [turn["from"] for turn in turns] == ["human", "function_call", "observation", "gpt"]
    assert json.loads(turns[2]["value"])["arguments"]["people"] == 2
    refused = _example("2", "Book", {"place": "Rome"})
    assert with_observation(refused) == refused
    silent = _example("3", "Book")
    assert with_observation(silent) == silent
    kept, _ = _curate([_example("1", "Book", GOOD)], observations=True)
    assert kept[0].example.turns


def test_bfcl_questions_are_read_from_their_files(tmp_path: Path):
    data = tmp_path / "lib/python3.11/site-packages/bfcl_eval/data"
    data.mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    question = {"id": "x", "question": [[{"role": "system", "content": "s"}, {"role": "user", "content": "What?"}]]}
    (data / "BFCL_v4_simple.json").write_text(json.dumps(question) + "\n" + json.dumps(question) + "\n")
    assert questions_folder(str(tmp_path / "bin/python")) == data
    assert read_questions(data) == ["What?"]
    (data / "BFCL_v4_more.json").write_text("{}\n")
    with pytest.raises(FcAssetsError, match=r"BFCL_v4_more\.json line 1 is no BFCL question"):
        read_questions(data)
    assert questions_folder(str(tmp_path / "absent/bin/python")) is None


def test_the_example_on_xlams_card_is_a_bfcl_question():
    folder = questions_folder("")
    if folder is None:
        pytest.skip("bfcl-eval is not installed")
    questions = read_questions(folder)
    assert len(questions) > 3000
    card = (
        "Find the sum of all the multiples of 3 and 5 between 1 and 1000. "
        "Also find the product of the first five prime numbers."
    )
    kept, _ = _curate([_example("card", card, GOOD)], questions)
    assert kept == []
