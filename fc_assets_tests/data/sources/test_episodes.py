"""Episodes: the same from a seed, apart from the evaluation's, true to the world, readable as rows of Hermes' form."""

from __future__ import annotations

import json
from itertools import islice

from fc_assets.calls.conversations import turns_of
from fc_assets.calls.tools.execution import run_call
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.calls.world.state import World
from fc_assets.data.rows.sharegpt import sharegpt_row
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.episode_scripts import ASK_THEN_CALL, KINDS, REPAIR, SCRIPTS
from fc_assets.data.sources.episodes import Episode, generate_episodes, hermes_row, result_text
from fc_assets.data.sources.hermes import read_hermes_row
from fc_assets.data.sources.profile_sources import row_sources
from fc_assets.profiles import DataSettings


def made(count: int, seed: int = 42, chinese_share: float = 0.5, held_out: bool = False) -> list[Episode]:
    return list(islice(generate_episodes(seed, chinese_share, held_out=held_out), count))


EPISODES = made(200)


def test_the_same_seed_makes_the_same_and_a_longer_run_begins_alike() -> None:
    assert made(50) == EPISODES[:50]
    assert made(50, seed=43) != EPISODES[:50]


def test_no_seed_makes_an_episode_of_training_that_the_evaluation_plays() -> None:
    played = {episode.exchanges[0].asks for seed in (1, 42) for episode in made(300, seed, held_out=True)}
    learnt = {episode.exchanges[0].asks for seed in (1, 42) for episode in made(600, seed)}
    assert not played & learnt


def test_every_kind_comes_in_the_language_asked_for() -> None:
    assert {episode.kind for episode in EPISODES} == set(KINDS)
    assert {script.kind for script in SCRIPTS} == set(KINDS)
    for share, language in ((0.0, "English"), (1.0, "Chinese")):
        some = made(40, chinese_share=share)
        assert {episode.language for episode in some} == {language}
        assert all(text.isascii() is (share == 0) for each in some for text in [each.exchanges[0].asks])


def test_what_the_tools_return_is_what_they_return_when_played() -> None:
    for episode in EPISODES:
        world, tools = World(episode.start), compile_tools(episode.tools)
        for exchange in episode.exchanges:
            for calls, results in zip(exchange.answers, exchange.results, strict=True):
                assert tuple(run_call(call, tools, world) for call in calls) == results
            assert all(text in exchange.says for text in exchange.required)


def test_errors_are_repaired_and_what_is_missing_is_asked_for() -> None:
    for episode in EPISODES:
        errors = ["error" in each for exchange in episode.exchanges for step in exchange.results for each in step]
        assert any(errors) is (episode.kind == REPAIR)
        assert errors[-1] is False
        assert (not episode.exchanges[0].answers) is (episode.kind == ASK_THEN_CALL)
        if episode.kind == ASK_THEN_CALL:
            assert episode.exchanges[0].says.endswith(("?", "\uff1f"))


def test_rows_are_read_back_with_the_same_calls_and_results() -> None:
    for episode in EPISODES[:60]:
        row = json.loads(sharegpt_row(read_hermes_row(hermes_row(episode), ToolReader(), source="episodes")))
        turns = list(turns_of(row, closing=True))
        expected = [calls for exchange in episode.exchanges for calls in (exchange.answers or ((),))]
        assert [turn.calls for turn in turns if not turn.closing] == expected
        assert all(turn.multi_turn is (len(expected) > 1) for turn in turns)
        told = [message["content"] for message in turns[-1].messages if message["role"] == "tool"]
        results = [each for exchange in episode.exchanges for step in exchange.results for each in step]
        assert told == [result_text(result) for result in results]


def test_a_profile_mixes_them_by_weight() -> None:
    none = DataSettings(source="generator", rows=100)
    some = DataSettings.model_validate({"source": "generator", "rows": 100, "episodes": {"weight": 0.2}})
    assert [source.name for source in row_sources(none, [])] == ["generator"]
    _, episodes = row_sources(some, [])
    assert (episodes.name, episodes.weight, episodes.licence) == ("episodes", 0.2, "MIT")
