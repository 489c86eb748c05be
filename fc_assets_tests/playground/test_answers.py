"""What is shown of an answer: verdicts with and without an expected call, and where each call ran."""

import json

import pytest

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import answer_text
from fc_assets.evaluation.answers import CUT
from fc_assets.playground.answers import NOWHERE, STUB, WORLD, shown
from fc_assets.playground.engines import Written
from fc_assets_tests.support.tools import BOOK, PING, weather

HOTEL = {
    "name": "book_hotel",
    "description": "",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "nights": {"type": "integer"},
            "guests": {"type": "integer", "default": 1},
        },
        "required": ["city", "nights"],
    },
}
TOOLS = json.dumps([HOTEL, BOOK, PING])
ROOM = Call("book_hotel", {"city": "Rome", "nights": 3})


def written(text: str, finish_reason: str = "stop") -> Written:
    return Written(text, finish_reason, 100, 20, 0.5)


def test_a_right_answer_and_its_speed() -> None:
    found = shown(written(answer_text([ROOM])), TOOLS, [ROOM])
    assert found["verdicts"] == {"parses": True, "names": True, "schema": True, "runs": True, "exact": True}
    assert found["tokens_per_second"] == 40 and found["text"] == answer_text([ROOM])


def test_calls_run_in_the_world_or_are_checked_by_their_stubs_or_name_no_tool() -> None:
    calls = [ROOM, Call("book", {"type": "table", "seats": 0}), Call("ping", {}), weather()]
    found = shown(written(answer_text(calls)), TOOLS, None)
    room, book, ping, unknown = found["calls"]
    assert room["ran_in"] == WORLD and room["result"] == {"city": "Rome", "nights": 3, "guests": 1}
    assert book["ran_in"] == STUB and not book["schema"] and "seats is out of range" in book["result"]["error"]
    assert ping["ran_in"] == STUB and ping["result"] == {"name": "ping", "arguments": {}}
    assert unknown["ran_in"] == NOWHERE and "error" in unknown["result"]
    assert found["verdicts"] == {"parses": True, "names": False, "schema": False, "runs": False}


@pytest.mark.parametrize(
    ("text", "expected", "verdicts"),
    [
        ("I cannot.", None, {"parses": True, "names": None, "schema": None, "runs": None}),
        ("I cannot.", [], {"parses": True, "names": True, "schema": None, "runs": None, "exact": True}),
        ("I cannot.", [ROOM], {"parses": False, "names": False, "schema": None, "runs": None, "exact": False}),
        ("<tool_call>{", None, {"parses": False, "names": None, "schema": None, "runs": None}),
        (answer_text([ROOM]), [], {"parses": True, "names": False, "schema": True, "runs": True, "exact": False}),
    ],
)
def test_silence_is_judged_only_where_it_is_known_what_is_right(
    text: str, expected: list[Call] | None, verdicts: dict[str, bool | None]
) -> None:
    assert shown(written(text), TOOLS, expected)["verdicts"] == verdicts


def test_an_answer_that_was_cut_is_no_silence() -> None:
    found = shown(written("Let me think", CUT), TOOLS, [])
    assert found["verdicts"]["exact"] is False and found["malformed"] == 1 and found["text"] == "Let me think"


def test_an_engine_that_counts_no_tokens_has_no_speed() -> None:
    assert shown(Written("", "stop", None, None, 0.5), TOOLS, None)["tokens_per_second"] is None
