"""What a play is worth: the counts that one episode contributes to the metrics of docs/metrics.md.

Intervals and tests are `comparison`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fc_assets.calls.call import Call
from fc_assets.calls.match import match_calls
from fc_assets.calls.parse import Parsed
from fc_assets.calls.tools.toolset import ToolSet
from fc_assets.calls.world.implementations import IMPLEMENTATIONS
from fc_assets.calls.world.state import World
from fc_assets.data.sources.episodes import Episode, Exchange
from fc_assets.evaluation.answers import CUT
from fc_assets.evaluation.inference.episode_play import Conversation, EpisodeAnswer, Play

_QUESTION = re.compile("[?\uff1f]")  # the Chinese question mark too


@dataclass(frozen=True, slots=True)
class EpisodeScore:
    """Counts of one episode, 0 or 1 where they are not of answers (`turns`) or calls.

    `turns` are the answers owed, closing words left out. A malformed block counts as a call that was wasted.
    """

    success: int
    turns_right: int
    turns: int
    calls_wasted: int
    calls_made: int
    asked: int
    should_ask: int


@dataclass(frozen=True, slots=True)
class _Said:
    reply: EpisodeAnswer
    parsed: Parsed


def score_play(episode: Episode, play: Play, most_answers: int) -> EpisodeScore:
    """Replay what the model wrote, and compare it with the episode's own calls and with the world after them."""
    conversation = Conversation(episode, most_answers)
    said = [_Said(reply, conversation.take(reply.text, reply.finish_reason)) for reply in play.replies]
    by_exchange = [[each for each in said if each.reply.exchange == place] for place in range(len(episode.exchanges))]
    owed = [exchange for exchange in episode.exchanges if not exchange.answers]
    pairs = list(zip(episode.exchanges, by_exchange, strict=True))
    made = sum(len(each.parsed.calls) + each.parsed.malformed for each in said)
    needed = sum(_needed(exchange, answers, conversation.tools) for exchange, answers in pairs)
    return EpisodeScore(
        success=int(
            conversation.world.snapshot() == final_state(episode)
            and all(_ended_well(exchange, answers) for exchange, answers in pairs)
        ),
        turns_right=sum(_turns_right(exchange, answers, conversation.tools) for exchange, answers in pairs),
        turns=sum(max(1, len(exchange.answers)) for exchange in episode.exchanges),
        calls_wasted=made - needed,
        calls_made=made,
        asked=sum(bool(answers) and _asks(answers[0]) for exchange, answers in pairs if not exchange.answers),
        should_ask=len(owed),
    )


def final_state(episode: Episode) -> str:
    """The world after the episode's own calls."""
    world = World(episode.start)
    for exchange in episode.exchanges:
        for calls in exchange.answers:
            for call in calls:
                IMPLEMENTATIONS[call.name].run(world, call.arguments)
    return world.snapshot()


def _ended_well(exchange: Exchange, answers: Sequence[_Said]) -> bool:
    """Whether the model came to an end with words, uncut, that hold what the user asked for."""
    if not answers or answers[-1].reply.finish_reason == CUT or not answers[-1].parsed.silent:
        return False
    words = answers[-1].parsed.answer
    return all(re.search(rf"(?<![\w.]){re.escape(text)}(?!\w|\.\d)", words, re.ASCII) for text in exchange.required)


def _turns_right(exchange: Exchange, answers: Sequence[_Said], tools: ToolSet) -> int:
    """The answers that were owed and came in their place; where the model has to ask, that it did."""
    if not exchange.answers:
        return int(bool(answers) and _asks(answers[0]))
    return sum(
        not each.parsed.malformed and match_calls(each.parsed.calls, calls, tools).perfect
        for each, calls in zip(answers, exchange.answers, strict=False)
    )


def _asks(answer: _Said) -> bool:
    return answer.parsed.silent and bool(_QUESTION.search(answer.parsed.answer))


def _needed(exchange: Exchange, answers: Sequence[_Said], tools: ToolSet) -> int:
    """How many of the calls made are among those expected in the exchange, each expected one counted once."""
    left: list[Call] = [call for calls in exchange.answers for call in calls]
    found = 0
    for call in (call for each in answers for call in each.parsed.calls):
        match = next((other for other in left if match_calls([call], [other], tools).perfect), None)
        if match is not None:
            left.remove(match)
            found += 1
    return found
