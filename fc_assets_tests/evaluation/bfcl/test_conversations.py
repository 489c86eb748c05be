"""BFCL's conversations: the official loop and tools against engines whose words are known."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import answer_text
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import CUT, FAILED, TOO_LONG, RequestSettings
from fc_assets.evaluation.bfcl import self_test
from fc_assets.evaluation.bfcl.conversations import chat_messages, play
from fc_assets.evaluation.bfcl.model import MEMORY, MULTI_TURN, BfclAttempt, BfclRow
from fc_assets.evaluation.bfcl.scores import find_python, score_modes, take_sample
from fc_assets.profiles import BfclSettings
from fc_assets_tests.support.speaking_engine import SpeakingEngine

ASKING = RequestSettings(64, 4, 1, 0, 0.0, 1)
MODES = ("chat_template", "official")
PWD = answer_text([Call("pwd", {})])


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return find_python(BfclSettings())
    except FcAssetsError as error:
        pytest.skip(str(error))


def rows_of(python: Path, folder: Path, categories: tuple[str, ...], each: int = 1) -> list[BfclRow]:
    settings = BfclSettings(rows_per_category=each, categories=categories, prompt_modes=("chat_template",))
    return list(take_sample(settings, python, folder, folder / "log").rows)


def played(engine: SpeakingEngine, rows: Sequence[BfclRow], mode: str, python: Path, folder: Path) -> list[BfclAttempt]:
    answers = folder / f"answers-{mode}"
    answers.mkdir(exist_ok=True)
    where = {"python": python, "folder": answers, "scratch": folder, "log": folder / "log"}
    attempts, given = play(rows, mode, engine, ASKING, show_progress=lambda _: None, **where)
    assert len(given) == len(engine.questions)
    return attempts


def oracle_words(rows: Sequence[BfclRow]) -> Callable[[str, int], tuple[str, str]]:
    texts: Mapping[str, list[str]] = {
        row.id: [text for turn in self_test.oracle(row).result for text in turn] for row in rows
    }
    return lambda episode, number: (texts[episode][number] if episode in texts else "Noted.", "stop")


@pytest.mark.slow
def test_the_oracle_wins_every_conversation_when_it_is_played(python: Path, tmp_path: Path) -> None:
    rows = rows_of(python, tmp_path, (*MULTI_TURN, *MEMORY))
    for mode in MODES:
        engine = SpeakingEngine(oracle_words(rows))
        attempts = played(engine, rows, mode, python, tmp_path)
        for attempt in attempts:
            assert attempt.result == self_test.oracle(attempt.row).result, "the official loop went the gold way"
        scores = score_modes({mode: attempts}, python, tmp_path / mode, tmp_path / "log").modes[mode].scores
        assert [(one.category, one.correct, one.total) for one in scores] == [
            (category, 1, 1) for category in (*MULTI_TURN, *MEMORY)
        ]


def test_a_conversation_is_played_resumed_bounded_and_its_early_end_is_wrong(python: Path, tmp_path: Path) -> None:
    rows = rows_of(python, tmp_path, ("multi_turn_base",), each=5)
    right, endless, cut, long, failed = (row.id for row in rows)
    gold = oracle_words(rows)
    ends = {cut: ("<think>Let me", CUT), long: ("", TOO_LONG), failed: ("", FAILED)}

    def words(episode: str, number: int) -> tuple[str, str]:
        return (PWD, "stop") if episode == endless else ends.get(episode) or gold(episode, number)

    engine = SpeakingEngine(words)
    attempts = played(engine, rows, "chat_template", python, tmp_path)
    by_row = {attempt.row.id: attempt for attempt in attempts}
    assert by_row[right].result == self_test.oracle(rows[0]).result
    assert sum(name.startswith(f"chat_template:{endless}/") for name in engine.asked) == 21, "20 steps, and one more"
    assert [by_row[name].finish_reason for name in (cut, long, failed)] == [CUT, TOO_LONG, FAILED]
    later = next(question for question in engine.questions if question.id == f"chat_template:{right}/1")
    roles = [message["role"] for message in later.messages]
    assert roles[:2] == ["user", "assistant"] and set(roles[2:]) == {"tool"}, "the official tools answered"
    assert later.messages[2]["tool_call_id"] == later.messages[1]["tool_calls"][0]["id"]
    assert later.tools[0]["parameters"]["type"] == "object"

    judged = score_modes({"chat_template": attempts}, python, tmp_path, tmp_path / "log").modes["chat_template"]
    (score,) = judged.scores
    assert (score.correct, score.total, score.cut, score.too_long, score.failed) == (1, 4, 1, 1, 1)
    errors = {str(record["id"]): record["error"] for record in judged.records}
    assert errors[right] == "" and errors[endless] == "multi_turn:force_terminated"
    assert (errors[cut], errors[long]) == ("cut", "prompt_too_long") and failed not in errors

    ends.pop(failed)
    again = SpeakingEngine(words)
    attempts = played(again, rows, "chat_template", python, tmp_path)
    assert {name.partition(":")[2].partition("/")[0] for name in again.asked} == {failed}, (
        "only that one is asked again"
    )
    assert {attempt.row.id: attempt.finish_reason for attempt in attempts}[failed] == "stop"


@pytest.mark.slow
def test_a_memory_that_no_answer_could_fill_is_not_asked_in_vain(python: Path, tmp_path: Path) -> None:
    rows = rows_of(python, tmp_path, ("memory_rec_sum",), each=3)
    scenario = rows[0].id.split("-")[1]
    gold = oracle_words(rows)

    def words(episode: str, number: int) -> tuple[str, str]:
        return ("", FAILED) if f"_prereq_0-{scenario}-" in episode else gold(episode, number)

    attempts = played(SpeakingEngine(words), rows, "chat_template", python, tmp_path)
    assert {attempt.row.id.split("-")[1] == scenario for attempt in attempts if attempt.finish_reason == FAILED} == {
        True
    }
    assert [attempt.finish_reason == FAILED for attempt in attempts] == [f"-{scenario}-" in row.id for row in rows]


def test_a_player_that_dies_is_a_sentence(python: Path, tmp_path: Path) -> None:
    (row,) = rows_of(python, tmp_path, ("multi_turn_base",))
    unknown = BfclRow("multi_turn_nowhere_1", row.category, (), (), ())
    with pytest.raises(FcAssetsError, match="The BFCL player ended"):
        played(SpeakingEngine(lambda *_: ("", "stop")), [unknown], "chat_template", python, tmp_path)


def test_messages_are_those_of_an_openai_server() -> None:
    calls = [{"name": "cd", "arguments": {"folder": "a"}}, {"name": "ls"}, 5]
    found = chat_messages(
        [
            {"role": "user", "content": "Go to a."},
            {"role": "assistant", "content": "", "tool_calls": calls, "reasoning_content": ""},
            {"role": "tool", "name": "cd(folder='a')", "content": "{}"},
            {"role": "assistant", "content": "Done.", "reasoning_content": ""},
        ]
    )
    (call,) = found[1].pop("tool_calls")
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("cd", {"folder": "a"})
    assert found == [
        {"role": "user", "content": "Go to a."},
        {"role": "assistant", "content": ""},
        {"role": "tool", "content": "{}", "tool_call_id": call["id"]},
        {"role": "assistant", "content": "Done."},
    ]
