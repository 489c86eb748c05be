"""Whether a server answers under load as it does when it is idle: the same questions asked again, one at a time.

Greedy answers are a server's own yardstick: one that is fast because it cuts or spoils answers shows here, whatever
the model is worth. Whether a call is valid is decided in `load.call_validity`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from fc_assets.load_test.load.client import Client, Reply, Request
from fc_assets.load_test.load.generator import Sample
from fc_assets.load_test.load.request_statistics import CallValidator, succeeded


async def idle_figures(
    client: Client,
    samples: Sequence[Sample],
    again: Callable[[Sample], Request],
    is_valid_call: CallValidator,
    at_most: int,
) -> dict[str, float | None]:
    """Ask the questions of `at_most` of the measured answers again, after the load.

    `idle_compared`: how many were answered whole both times. Of these, `as_idle_share`: the share with the same words
    and calls to the letter; `cut_under_load_share`: with fewer tokens than the idle server's answer;
    `valid_call_share_compared` and `valid_call_share_idle`: of those that expect a call, with a valid one under load
    and idle. A share is None where there is nothing to judge.
    """
    good = succeeded([sample for sample in samples if sample.phase == "measured"])
    chosen = np.unique(np.linspace(0, len(good) - 1, min(at_most, len(good))).astype(int)).tolist() if good else []
    pairs: list[tuple[Sample, Reply]] = []
    for sample in [good[number] for number in chosen]:
        idle = await client.send(again(sample))
        if not idle.failure:
            pairs.append((sample, idle))
    return {
        "idle_compared": len(pairs),
        "as_idle_share": _share([_answer(sample.reply) == _answer(idle) for sample, idle in pairs]),
        "cut_under_load_share": _share([sample.reply.output_tokens < idle.output_tokens for sample, idle in pairs]),
        "valid_call_share_compared": _share([is_valid_call(sample, sample.reply) for sample, _ in pairs]),
        "valid_call_share_idle": _share([is_valid_call(sample, idle) for sample, idle in pairs]),
    }


def _answer(reply: Reply) -> tuple[str, list[dict[str, str]]]:
    return reply.text, reply.tool_calls


def _share(judged: Sequence[bool | None]) -> float | None:
    known = [each for each in judged if each is not None]
    return sum(known) / len(known) if known else None
