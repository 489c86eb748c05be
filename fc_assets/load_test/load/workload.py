"""What is sent in a load: synthetic prompts exact to the token, or tool-call conversations from a split.

Only requests are made here; `generator` decides when they are sent, `call_validity` judges the answers.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from fc_assets.calls.conversations import Turn
from fc_assets.load_test.load.client import Request
from fc_assets.load_test.load.generator import MakeRequest
from fc_assets.serving.chat import chat_request

TOKEN_IDS = (100, 300)
"""Prompts are drawn from these ids (the end is exclusive). Every vocabulary has them, none of the common ones uses them
for control, and 200 of them leave no two prompts with the same first block, so the prefix cache cannot help."""

STREAMED: Mapping[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
"""How a request asks for a stream that ends with the server's own count of tokens."""


def answer_lengths(mean: int, spread: float, count: int, seed: int) -> tuple[int, ...]:
    """Tokens of `count` answers: evenly from (1 - `spread`) to (1 + `spread`) times `mean`, in an order by `seed`.

    Their mean is exactly `mean`; so is that of any `count` answers in a row when the lengths are repeated.
    """
    widest = int(mean * spread)
    below = np.rint(np.linspace(-widest, 0, count // 2, endpoint=False)).astype(int)
    lengths = mean + np.concatenate([below, -below, np.zeros(count % 2, dtype=int)])
    return tuple(np.random.default_rng(seed).permutation(lengths).tolist())


def token_prompts(model: str, prompt_tokens: int, lengths: Sequence[int], seed: int) -> MakeRequest:
    """Requests with random prompts of exactly `prompt_tokens`; the i-th is answered by exactly the i-th of `lengths`,
    which are repeated.

    Sampling is greedy and the end token is ignored, so that each answer has its full length.
    """
    common = {
        "model": model,
        "temperature": 0,
        "ignore_eos": True,
        **STREAMED,
    }
    rng = np.random.default_rng(seed)  # one for all: making one takes longer than a prompt

    def make(index: int) -> Request:
        ids = rng.integers(*TOKEN_IDS, prompt_tokens).tolist()
        length = lengths[index % len(lengths)]
        body = {**common, "max_tokens": length, "prompt": ids}
        return Request("/v1/completions", orjson.dumps(body), prompt_tokens, length)

    return make


def cancelling(make: MakeRequest, share: float, answer_tokens: int, after_s: float, seed: int) -> MakeRequest:
    """The requests of `make`, of which the client gives up `share`, evenly spread: after `after_s` seconds or, where
    that is 0, after a number of events from 1 to half of `answer_tokens`, drawn for each.
    """

    def some(index: int) -> Request:
        request = make(index)
        if math.floor((index + 1) * share) == math.floor(index * share):
            return request
        events = int(np.random.default_rng((seed, index)).integers(1, max(answer_tokens // 2, 1), endpoint=True))
        return dataclasses.replace(request, cancel_after_s=after_s, cancel_after_events=0 if after_s else events)

    return some


def conversations(model: str, turns: Sequence[Turn], max_tokens: int, *, constrained: bool) -> MakeRequest:
    """Requests that ask the model for the tool calls of `turns`, in turn.

    `constrained` makes the server enforce a call and its schema (vLLM enforces it only for `strict` functions).
    """

    def make(index: int) -> Request:
        turn = turns[index % len(turns)]
        body = chat_request(
            model,
            turn.messages,
            turn.tools,
            max_tokens=max_tokens,
            tool_choice="required" if constrained else "auto",
            strict=constrained,
        )
        return Request("/v1/chat/completions", orjson.dumps({**body, **STREAMED}))

    return make
