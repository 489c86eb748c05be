"""Episodes played against a model: its calls run in the episode's world, and it reads what they return.

All episodes advance together, an answer each in a round, so that a server is kept busy. What the model wrote is all
that is kept of a play: replayed, it leads to the same world. What a play is worth is `evaluation.episodes`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fc_assets.calls.call import Call
from fc_assets.calls.parse import Parsed, parse_strict
from fc_assets.calls.tools.execution import run_call
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.calls.world.state import World
from fc_assets.data.sources.episodes import Episode, first_episodes, result_text
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import FAILED, TOO_LONG, Answer, Question
from fc_assets.foundation.json_files import read_json, write_json
from fc_assets.profiles import EvaluationSettings

AskRound = Callable[[Sequence[Question]], Sequence[Answer]]
"""Gives one answer to each question, in order."""

_CHINESE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class EpisodeAnswer:
    """One answer: to which of the user's messages, counted from 0, the raw text, and how it ended."""

    exchange: int
    text: str
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Play:
    """All that a model wrote in one episode, in order."""

    episode: str
    replies: tuple[EpisodeAnswer, ...]

    @property
    def failed(self) -> bool:
        """Whether an answer never came, for reasons of the infrastructure: the play then says nothing of the model."""
        return any(reply.finish_reason == FAILED for reply in self.replies)


@dataclass
class Conversation:
    """An episode while it is played. `most_answers` bounds the answers to one message of the user."""

    episode: Episode
    most_answers: int
    exchange: int = 0
    over: bool = False
    replies: list[EpisodeAnswer] = field(default_factory=list)
    messages: list[Mapping[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World(self.episode.start)
        self.tools = compile_tools(self.episode.tools)
        self._answered = 0
        self._ask()

    def question(self) -> Question:
        """What the model is asked next."""
        name = f"{self.episode.id}.{len(self.replies)}"
        return Question(name, tuple(self.messages), self.episode.tools)

    def take(self, text: str, finish_reason: str) -> Parsed:
        """The model's next answer, as it is read: its calls run, or its words end the exchange.

        An answer in which anything is malformed runs nothing, as a server's parser has it.
        """
        self.replies.append(EpisodeAnswer(self.exchange, text, finish_reason))
        parsed = parse_strict(text)
        self._answered += 1
        if finish_reason in (FAILED, TOO_LONG):
            self.over = True
            return parsed
        calls = () if parsed.malformed else parsed.calls
        if calls:
            self._run(calls)
        else:
            self.messages.append({"role": "assistant", "content": parsed.answer})
        if not calls or self._answered == self.most_answers:
            self.exchange, self._answered = self.exchange + 1, 0
            self._ask()
        return parsed

    def _ask(self) -> None:
        self.over = self.exchange == len(self.episode.exchanges)
        if not self.over:
            self.messages.append({"role": "user", "content": self.episode.exchanges[self.exchange].asks})

    def _run(self, calls: Sequence[Call]) -> None:
        numbers = [f"call-{len(self.replies)}-{place}" for place in range(len(calls))]
        made = [call.as_tool_call(name) for name, call in zip(numbers, calls, strict=True)]
        self.messages.append({"role": "assistant", "content": "", "tool_calls": made})
        for name, call in zip(numbers, calls, strict=True):
            result = run_call(call, self.tools, self.world)
            self.messages.append({"role": "tool", "tool_call_id": name, "content": result_text(result)})


def evaluation_episodes(settings: EvaluationSettings) -> list[Episode]:
    """The episodes that the settings say to play: half of them in Chinese, and none that training can have seen."""
    return first_episodes(settings.episodes, settings.seed, _CHINESE_SHARE)


def play(episodes: Sequence[Episode], ask: AskRound, most_answers: int) -> list[Play]:
    """Play every episode to its end, with at most `most_answers` answers to each message of the user."""
    conversations = [Conversation(episode, most_answers) for episode in episodes]
    while going := [each for each in conversations if not each.over]:
        for each, answer in zip(going, ask([each.question() for each in going]), strict=True):
            each.take(answer.text, answer.finish_reason)
    return [Play(each.episode.id, tuple(each.replies)) for each in conversations]


def episodes_digest(episodes: Sequence[Episode]) -> str:
    """A sha256 in hex over all that the episodes say, so that plays of others are never judged by them."""
    text = json.dumps([asdict(episode) for episode in episodes], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_plays(file: Path, episodes: Sequence[Episode], plays: Sequence[Play]) -> None:
    """Write the plays as JSON."""
    write_json(file, {"episodes": episodes_digest(episodes), "plays": [asdict(each) for each in plays]})


def read_plays(file: Path, episodes: Sequence[Episode]) -> list[Play]:
    """The plays that `write_plays` wrote. Raises FcAssetsError where they are of other episodes."""
    found = read_json(file)
    if found["episodes"] != episodes_digest(episodes):
        raise FcAssetsError(
            f"{file} holds plays of other episodes than the present settings make; materialise these predictions again"
        )
    return [
        Play(each["episode"], tuple(EpisodeAnswer(**reply) for reply in each["replies"])) for each in found["plays"]
    ]
