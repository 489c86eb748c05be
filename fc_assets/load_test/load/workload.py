"""What is sent in a load: synthetic prompts exact to the token, or tool-call conversations from a split.

Only requests are made here; `generator` decides when they are sent, `call_validity` judges the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from fc_assets.calls.conversations import Turn
from fc_assets.load_test.load.client import Request
from fc_assets.serving.chat import chat_request

TOKEN_IDS = (100, 300)
"""Prompts are drawn from these ids (the end is exclusive). Every vocabulary has them, none of the common ones uses them
for control, and 200 of them leave no two prompts with the same first block, so the prefix cache cannot help."""

MakeRequest = Callable[[int], Request]
"""Makes the i-th request of a load."""

_STREAMED: Mapping[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def token_prompts(model: str, prompt_tokens: int, output_tokens: int, seed: int) -> MakeRequest:
    """Requests with random prompts of exactly `prompt_tokens`, answered by exactly `output_tokens`.

    Sampling is greedy and the end token is ignored, so that each answer has its full length.
    """
    common = {
        "model": model,
        "max_tokens": output_tokens,
        "temperature": 0,
        "ignore_eos": True,
        **_STREAMED,
    }
    rng = np.random.default_rng(seed)  # one for all: making one takes longer than a prompt

    def make(_: int) -> Request:
        ids = rng.integers(*TOKEN_IDS, prompt_tokens).tolist()
        return Request("/v1/completions", orjson.dumps({**common, "prompt": ids}), prompt_tokens, output_tokens)

    return make


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
        return Request("/v1/chat/completions", orjson.dumps({**body, **_STREAMED}))

    return make
