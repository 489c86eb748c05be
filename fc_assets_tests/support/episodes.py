"""A model that knows the evaluation's episodes by heart, and what is asked of it while they are played."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any

from fc_assets.calls.prompts import answer_text
from fc_assets.data.sources.episodes import Episode, first_episodes
from fc_assets.evaluation.answers import Answer, Question

EPISODES = first_episodes(40, 7, chinese_share=0.5)

Model = Callable[[Sequence[Mapping[str, Any]]], str]
"""Writes the next answer to OpenAI's messages."""


def knowing(episodes: Sequence[Episode]) -> Model:
    """Answers as each episode expects."""
    by_opening = {episode.exchanges[0].asks: episode for episode in episodes}

    def answer(messages: Sequence[Mapping[str, Any]]) -> str:
        asked = [message["content"] for message in messages if message["role"] == "user"]
        exchange = by_opening[asked[0]].exchanges[len(asked) - 1]
        since = list(takewhile(lambda message: message["role"] != "user", reversed(messages)))
        step = sum(message["role"] == "assistant" for message in since)
        return answer_text(exchange.answers[step]) if step < len(exchange.answers) else exchange.says

    return answer


def round_of(model: Model) -> Callable[[Sequence[Question]], list[Answer]]:
    """The model as what `play` asks."""
    return lambda questions: [
        Answer(question.id, model(question.messages), "stop", 0.0, None, None) for question in questions
    ]
