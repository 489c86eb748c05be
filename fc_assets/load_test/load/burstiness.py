"""How evenly a load was sent: whether its requests left in bursts, and whether the workers of a closed one marched.

Answers of one length end together on a server that computes in steps, so the next requests leave together, and so on:
the load is then a row of bursts, and time to first token is mostly the wait for the rest of one's own burst. How
answers get different lengths is in `workload`.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from fc_assets.load_test.load.generator import Sample

TOGETHER_S = 0.005
"""Requests that leave within this time of each other reach the same step of a server: they left together."""

MARCHED_SHARE = 1 / 3
"""A cell marched when so many more of its requests were in step than chance explains. On one real vLLM, workers with
equal answers had 0.65 of their requests in step, workers with unequal ones a twentieth."""

SHORTEST_ROUND_S = 8 * TOGETHER_S
"""Where a worker sends more often than this, too many requests leave together by chance to tell."""


def burstiness(samples: Sequence[Sample]) -> dict[str, float | bool | None]:
    """The sending of the measured requests; None where there is too little to say.

    `sent_within_5ms_share`: the share that left within `TOGETHER_S` of another. `send_gap_cv`: the coefficient of
    variation of the times between two sendings (even 0, a Poisson process 1, c workers in one burst about sqrt(c - 1)).
    `in_step_share`, of a closed load: the share that left together with another worker's request, and whose worker's
    next request left together with that same worker's again. `marched`: whether these are more than chance explains;
    None where rounds are shorter than `SHORTEST_ROUND_S`.
    """
    sent = np.sort([sample.reply.sent for sample in samples if sample.phase == "measured"])
    gaps = np.diff(sent)
    figures: dict[str, float | bool | None] = {"sent_within_5ms_share": None, "send_gap_cv": None}
    if len(gaps) > 1 and gaps.mean() > 0:
        close = gaps <= TOGETHER_S
        figures["sent_within_5ms_share"] = float((np.append(close, False) | np.append(False, close)).mean())
        figures["send_gap_cv"] = float(gaps.std() / gaps.mean())
    return figures | _in_step(samples)


def _in_step(samples: Sequence[Sample]) -> dict[str, float | bool | None]:
    """A pair of workers is together by chance with a probability of both their windows by the time of a round."""
    following = _next_sendings(samples)
    counted = [sample for sample in samples if sample.phase == "measured" and sample.index in following]
    if len({sample.worker for sample in counted}) < 2:
        return {"in_step_share": None, "marched": None}
    round_s = float(np.median([following[sample.index] - sample.reply.sent for sample in counted]))
    if round_s < SHORTEST_ROUND_S:
        return {"in_step_share": None, "marched": None}
    by_chance = 2 * TOGETHER_S / round_s
    others = sorted((sample for sample in samples if sample.index in following), key=lambda each: each.reply.sent)
    times = np.array([sample.reply.sent for sample in others])
    in_step, expected = 0, 0.0
    for sample in counted:
        low, high = np.searchsorted(times, (sample.reply.sent - TOGETHER_S, sample.reply.sent + TOGETHER_S))
        company = [other for other in others[low:high] if other.worker != sample.worker]
        mine = following[sample.index]
        in_step += any(abs(following[other.index] - mine) <= TOGETHER_S for other in company)
        expected += 1 - (1 - by_chance) ** len(company)
    share = in_step / len(counted)
    return {"in_step_share": share, "marched": share - expected / len(counted) > MARCHED_SHARE}


def _next_sendings(samples: Sequence[Sample]) -> Mapping[int, float]:
    """By a request's index, when its worker sent the next one; an open load has no workers."""
    by_worker: dict[int, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.worker is not None:
            by_worker[sample.worker].append(sample)
    return {
        earlier.index: later.reply.sent for mine in by_worker.values() for earlier, later in itertools.pairwise(mine)
    }
