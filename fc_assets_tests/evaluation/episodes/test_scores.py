"""Episodes played and judged: who knows them succeeds in all, who does nothing in none, and every play ends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import answer_text
from fc_assets.data.sources.episode_scripts import KINDS
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.episodes.scores import EpisodeScore, final_state, score_play
from fc_assets.evaluation.inference.episode_play import play, read_plays, write_plays
from fc_assets_tests.support.episodes import EPISODES, Model, knowing, round_of

MOST = 4


def scores(model: Model) -> list[EpisodeScore]:
    plays = play(EPISODES, round_of(model), MOST)
    return [score_play(episode, each, MOST) for episode, each in zip(EPISODES, plays, strict=True)]


def successes(model: Model) -> int:
    return sum(score.success for score in scores(model))


def test_the_episodes_have_every_kind_in_both_languages() -> None:
    assert {episode.kind for episode in EPISODES} == set(KINDS)
    assert {episode.language for episode in EPISODES} == {"English", "Chinese"}


def test_who_knows_them_succeeds_in_all() -> None:
    for score in scores(knowing(EPISODES)):
        assert (score.success, score.turns_right, score.calls_wasted) == (1, score.turns, 0)
        assert score.asked == score.should_ask
        assert score.calls_made >= 1


HOSTILE: dict[str, str] = {
    "silence": "",
    "the same words": "Done.",
    "a broken call": "<tool_call>\n{",
    "a call of nothing": answer_text([Call("nope", {})]),
    "thinking without end": "<think>",
    "hostile arguments": answer_text([Call("book_hotel", {"city": [[[]]], "nights": 1e308})]),
    "many calls": answer_text([Call("send_message", {"recipient": "Bob", "subject": "chess"})] * 64),
    "lone surrogates": '<tool_call>\n{"name": "call_contact", "arguments": {"name": "\\ud800"}}\n</tool_call>',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_single_answer_succeeds_or_plays_on_for_ever(text: str) -> None:
    asked: list[int] = []

    def model(messages: Sequence[Mapping[str, Any]]) -> str:
        asked.append(len(messages))
        return text

    assert successes(model) == 0
    assert len(asked) <= MOST * sum(len(episode.exchanges) for episode in EPISODES)


def test_calls_that_nobody_needed_are_wasted_and_change_the_world() -> None:
    known = knowing(EPISODES)
    extra = answer_text([Call("call_contact", {"name": "Nobody"})])

    def twice(messages: Sequence[Mapping[str, Any]]) -> str:
        answer = known(messages)
        return f"{answer}\n{answer}" if answer.startswith("<tool_call>") else answer

    found = scores(twice)
    assert all(2 * score.calls_wasted == score.calls_made for score in found)
    adding = [
        score for episode, score in zip(EPISODES, found, strict=True) if '"records": {}' not in final_state(episode)
    ]
    assert adding and not any(score.success for score in adding)
    assert successes(lambda messages: extra) == 0


def test_guessing_what_is_missing_is_no_asking() -> None:
    known = knowing(EPISODES)
    guess = answer_text([Call("book_hotel", {"city": "Rome", "nights": 1})])
    found = scores(lambda messages: guess if known(messages).endswith(("?", "\uff1f")) else known(messages))
    owed = [score for score in found if score.should_ask]
    assert owed and not any(score.asked for score in owed)
    assert all(score.turns_right < score.turns for score in owed)


def test_the_answer_must_hold_what_was_asked_for() -> None:
    known = knowing(EPISODES)
    told = [episode for episode in EPISODES if any(exchange.required for exchange in episode.exchanges)]
    said = {exchange.says for episode in told for exchange in episode.exchanges if exchange.required}
    found = scores(lambda messages: "It is 7000." if known(messages) in said else known(messages))
    failed = {episode.id for episode, score in zip(EPISODES, found, strict=True) if not score.success}
    assert failed == {episode.id for episode in told}


def test_an_episode_whose_answer_never_came_is_not_judged() -> None:
    def ask(questions: Sequence[Any]) -> list[Any]:
        lost = f"{EPISODES[0].id}."
        return [
            replace(each, finish_reason="failed", text="") if each.id.startswith(lost) else each
            for each in round_of(knowing(EPISODES))(questions)
        ]

    plays = play(EPISODES[:3], ask, MOST)
    assert [each.failed for each in plays] == [True, False, False]
    assert len(plays[0].replies) == 1


def test_plays_are_read_back_and_only_for_their_own_episodes(tmp_path: Path) -> None:
    file = tmp_path / "plays.json"
    plays = play(EPISODES, round_of(knowing(EPISODES)), MOST)
    write_plays(file, EPISODES, plays)
    assert read_plays(file, EPISODES) == plays
    assert json.loads(file.read_text())["plays"][0]["episode"] == EPISODES[0].id
    with pytest.raises(FcAssetsError, match="plays of other episodes"):
        read_plays(file, EPISODES[:-1])
