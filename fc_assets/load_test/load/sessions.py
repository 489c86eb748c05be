"""Conversations with tools as sessions: those in a file of ShareGPT rows, and the requests of each.

A session sends the history as it was recorded, not what the server answered, so that every server gets the same
prompts. Each request repeats the one before and adds to it: a call, what the tool returned, a question. When they are
sent is in `generator`; requests that have nothing to do with each other are in `workload`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from fc_assets.calls.call import Tool
from fc_assets.calls.conversations import Turn, turns_of
from fc_assets.errors import FcAssetsError
from fc_assets.load_test.load.client import Request
from fc_assets.load_test.load.generator import SessionRequest
from fc_assets.load_test.load.workload import STREAMED
from fc_assets.serving.chat import chat_request

QUESTIONS_JOINED = 3
"""Rows with one question each are joined, so many to a session: sets like xLAM's have no other ones."""

CHARACTERS_PER_TOKEN = 2.5
"""Few enough for a bound: JSON and English have 3 to 4. The tokenizer of the server is not known here."""

AGENT_SHARE = 0.25
"""Of the server's window at most so much is the list of tools that the sessions of one agent share."""

WAIT_SIGMA = 1.0
"""Of the logarithm of a tool's time: one call in 40 takes 4 times the mean, as a slow service does."""

Conversation = Sequence[Turn]
"""The answers that one conversation asks for, in their order; at least two."""


@dataclass(frozen=True, slots=True)
class Conversations:
    """The conversations that fit the server; `left_out` do not. Those of `agent` have one system prompt, and can all be
    held with its `tools`.
    """

    every: Sequence[Conversation]
    agent: Sequence[Conversation]
    tools: tuple[Tool, ...]
    left_out: int


def read_conversations(file: Path, max_model_len: int | None, max_tokens: int) -> Conversations | None:
    """The conversations of a JSON array of ShareGPT rows, for answers of `max_tokens`; without a limit all fit.

    None when none of two answers fits. Raises `FcAssetsError` when the file cannot be read or a row is malformed.
    """
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FcAssetsError(f"{file} cannot be read as a JSON array of ShareGPT rows: {error}") from error
    found = list(_conversations(rows))
    window = math.inf if max_model_len is None else (max_model_len - max_tokens) * CHARACTERS_PER_TOKEN
    every = [each for each in found if _characters(each, each[-1].tools) <= window]
    if not every:
        return None
    alike = [each for each in every if _system(each) == _system(every[0])]
    tools = _common_tools(alike, window * AGENT_SHARE) or every[0][-1].tools
    agent = [each for each in alike if _spelt(each[-1].tools) <= _spelt(tools) and _characters(each, tools) <= window]
    return Conversations(every, agent or every[:1], tools, len(found) - len(every))


def _conversations(rows: Sequence[Mapping[str, Any]]) -> Iterator[Conversation]:
    single: list[Mapping[str, Any]] = []
    for row in rows:
        turns = sorted(turns_of(row, closing=True), key=lambda turn: len(turn.messages))
        if len(turns) > 1:
            yield turns
        elif turns and turns[0].calls:
            single.append(row)
    for first in range(0, len(single), QUESTIONS_JOINED):
        if len(joined := single[first : first + QUESTIONS_JOINED]) > 1:
            yield list(turns_of(_join(joined)))


def _join(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One conversation of several: each call returns that all is well, and the next question follows."""
    said: list[Mapping[str, str]] = []
    for row in rows:
        calls = json.loads(row["conversations"][-1]["value"])
        returned = "\n".join(['{"status": "ok"}'] * (len(calls) if isinstance(calls, list) else 1))
        said += [*row["conversations"], {"from": "observation", "value": returned}]
    tools = {json.dumps(tool, sort_keys=True): tool for row in rows for tool in json.loads(row["tools"])}
    name = "+".join(str(row.get("id", "?")) for row in rows)
    return {**rows[0], "id": name, "conversations": said[:-1], "tools": json.dumps(list(tools.values()))}


def _common_tools(conversations: Sequence[Conversation], most: float) -> tuple[Tool, ...]:
    """The tools of the first conversations, as far as they have `most` characters together."""
    tools: dict[str, Tool] = {}
    for each in conversations:
        wider = tools | {json.dumps(tool, sort_keys=True): tool for tool in each[-1].tools}
        if sum(map(len, wider)) > most:
            break
        tools = wider
    return tuple(tools.values())


def _system(conversation: Conversation) -> object:
    first = conversation[0].messages[0]
    return first["content"] if first["role"] == "system" else None


def _spelt(tools: Sequence[Tool]) -> set[str]:
    return {json.dumps(tool, sort_keys=True) for tool in tools}


def _characters(conversation: Conversation, tools: Sequence[Tool]) -> int:
    return len(json.dumps([list(conversation[-1].messages), list(tools)]))


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """The sessions of one load: `plan(i)` are the requests of the i-th.

    Of the sessions the share `reuse`, evenly spread, are those of one agent: they begin with the same system prompt and
    tools, which a prefix cache can reuse; all others begin with a word of their own. `mark` is new in each run, so that
    nothing is found that an earlier one has left. Before each request but the first a tool is waited for: log-normal
    with the mean `tool_wait_s`, the same for the same `seed` and session.
    """

    model: str
    conversations: Conversations
    max_tokens: int
    tool_wait_s: float
    reuse: float
    seed: int
    mark: str

    def __call__(self, session: int) -> list[SessionRequest]:
        """The requests of that session, in their order."""
        turns = self._conversation(session)
        drawn = np.random.default_rng((self.seed, session)).lognormal(-(WAIT_SIGMA**2) / 2, WAIT_SIGMA, len(turns))
        waits = [0.0, *(self.tool_wait_s * drawn[1:]).tolist()]
        return [SessionRequest(self.request(session, number), wait) for number, wait in enumerate(waits)]

    def turn(self, session: int, number: int) -> Turn:
        """The answer that a request asks for. Its own tools are among those that the request offers."""
        return self._conversation(session)[number]

    def request(self, session: int, number: int) -> Request:
        """One request of a session."""
        turn, shares = self.turn(session, number), self.is_of_agent(session)
        head = f"Session {self.mark}." if shares else f"Session {self.mark} {session}."
        messages = [dict(message) for message in turn.messages]
        if messages[0]["role"] == "system":
            messages[0]["content"] = f"{head} {messages[0]['content']}"
        else:
            messages.insert(0, {"role": "system", "content": head})
        if shares:
            messages[1]["content"] = f"Question {self.mark} {session}. {messages[1]['content']}"
        tools = self.conversations.tools if shares else turn.tools
        body = chat_request(self.model, messages, tools, max_tokens=self.max_tokens, tool_choice="auto")
        return Request("/v1/chat/completions", orjson.dumps({**body, **STREAMED}))

    def is_of_agent(self, session: int) -> bool:
        """Whether the session begins as others do."""
        return math.floor((session + 1) * self.reuse) > math.floor(session * self.reuse)

    def _conversation(self, session: int) -> Conversation:
        among = self.conversations.agent if self.is_of_agent(session) else self.conversations.every
        return among[session % len(among)]
