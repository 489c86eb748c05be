"""A recorded trace as a load: when each request came, how long it and its answer were, and what it shared with others.

The form is that of Mooncake's published traces (Qin et al., FAST 2025): a JSON object a line, with `timestamp` in
milliseconds, `input_length` and `output_length` in tokens and, optionally, `hash_ids`, one for each block of
`BLOCK_TOKENS`. Blocks of one id have the same tokens here, so that a server's prefix cache finds what it would have
found. Sending is in `generator`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fc_assets.errors import FcAssetsError
from fc_assets.load_test.load.client import Request
from fc_assets.load_test.load.generator import MakeRequest
from fc_assets.load_test.load.workload import STREAMED, TOKEN_IDS

BLOCK_TOKENS = 512
MAX_TOKENS = 10_000_000
"""Of one prompt or answer: more than any model's context, and a prompt of it is made in memory."""
MAX_TIMESTAMP_MS = 1e14
"""A trace may count from 1970: this is some thousand years later."""


class TracedRequest(BaseModel):
    """One line of a trace: `timestamp` in milliseconds, lengths in tokens, the ids of the prompt's blocks."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    timestamp: Annotated[float, Field(ge=0, le=MAX_TIMESTAMP_MS)]
    input_length: Annotated[int, Field(gt=0, le=MAX_TOKENS)]
    output_length: Annotated[int, Field(gt=0, le=MAX_TOKENS)]
    hash_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """The requests in the order of their coming; `left_out` of the file's lines would not fit the server."""

    requests: Sequence[TracedRequest]
    left_out: int

    def seconds(self, speed: float) -> list[float]:
        """When each is sent, seconds after the first; at `speed` 2 in half the time."""
        first = self.requests[0].timestamp
        return [(request.timestamp - first) / 1e3 / speed for request in self.requests]


def read_trace(file: Path, max_model_len: int | None) -> Trace:
    """The trace in `file`, without the requests that need more than `max_model_len` tokens (None: all fit).

    Raises `FcAssetsError` naming the line that is not of the form, or when no request is left.
    """
    try:
        lines = file.read_text(encoding="utf-8").split("\n")  # not splitlines(): a text in it may hold U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise FcAssetsError(f"The trace {file} cannot be read ({error})") from error
    traced = [_read_line(file, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    fitting = [each for each in traced if not max_model_len or each.input_length + each.output_length <= max_model_len]
    if not fitting:
        raise FcAssetsError(f"None of the {len(traced)} requests of {file} fits the server's {max_model_len} tokens")
    return Trace(sorted(fitting, key=lambda request: request.timestamp), len(traced) - len(fitting))


def _read_line(file: Path, number: int, line: str) -> TracedRequest:
    try:
        return TracedRequest.model_validate(json.loads(line))
    except ValidationError as error:
        wrong = error.errors()[0]
        raise FcAssetsError(f"{file} line {number}: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise FcAssetsError(f"{file} line {number} is not JSON ({error})") from error


def traced_prompts(model: str, trace: Trace, seed: int) -> MakeRequest:
    """The i-th request of `trace`: blocks by their ids, what no id covers random and its own; answers exactly as long
    as recorded.
    """
    common = {"model": model, "temperature": 0, "ignore_eos": True, **STREAMED}

    def make(index: int) -> Request:
        traced = trace.requests[index]
        blocks = [_block(seed, identity) for identity in traced.hash_ids]
        own = np.random.default_rng((seed, 1, index)).integers(*TOKEN_IDS, traced.input_length)
        ids = np.concatenate([*blocks, own])[: traced.input_length].tolist()
        body = {**common, "prompt": ids, "max_tokens": traced.output_length}
        return Request("/v1/completions", orjson.dumps(body), traced.input_length, traced.output_length)

    return make


def _block(seed: int, identity: int) -> np.typing.NDArray[np.int64]:
    return np.random.default_rng((seed, 0, abs(identity))).integers(*TOKEN_IDS, BLOCK_TOKENS)
