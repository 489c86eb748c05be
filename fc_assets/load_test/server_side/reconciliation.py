"""What the server counted during a load beside what the client saw: two witnesses who must agree.

vLLM's Prometheus metrics are read before and after a load; the differences cover every request of it, the thrown-away
ones included, and are compared with what the client saw. Gauges sampled during the load are summarised here as well.
Names are those of vLLM 0.30; reading its text is in `serving.vllm_metrics`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fc_assets.load_test.load.generator import Sample
from fc_assets.load_test.load.request_statistics import succeeded
from fc_assets.serving.vllm_metrics import KV_CACHE_USE, RUNNING, WAITING

RELATIVE_BOUND = 0.20
ABSOLUTE_BOUND_S = 0.025
"""Mean times may differ by a fifth or by 25 ms: the client's clock stops when its loop gets to read."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One quantity as both saw it. `bound` is the largest difference that still counts as agreement.

    With `may_wait_before` the client may see more than that, but never less: vLLM's clock starts when a request has
    been read, rendered and handed to the engine, so a wait in its HTTP server is known to the client alone.
    """

    quantity: str
    client: float
    server: float
    bound: float
    may_wait_before: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the two are within the bound of each other."""
        excess = self.client - self.server
        return excess >= -self.bound and (self.may_wait_before or excess <= self.bound)


def reconcile(
    samples: Sequence[Sample], before: Mapping[str, float], after: Mapping[str, float], *, held_back: bool = False
) -> list[Reconciliation]:
    """Compare every request of a load with the server's counters around it; empty when the server has none of them.

    With `held_back` the server streams through a tool-call parser, which keeps the first tokens until the name of the
    call is whole: the client cannot know when the first token was made, so the time since then is not compared.
    """
    if "vllm:request_success_total" not in after:
        return []

    def delta(name: str) -> float:
        return after.get(name, 0.0) - before.get(name, 0.0)

    def server_mean(histogram: str) -> float:
        count = delta(f"vllm:{histogram}_seconds_count")
        return delta(f"vllm:{histogram}_seconds_sum") / count if count else math.nan

    good = succeeded(samples)
    waits = [sample.reply.arrivals[0] - sample.reply.sent for sample in good]
    times = [sample.reply.ended - sample.reply.sent for sample in good]
    first, whole = server_mean("time_to_first_token"), server_mean("e2e_request_latency")
    compared = [
        _count("requests that succeeded", len(good), delta("vllm:request_success_total")),
        _count("prompt tokens", sum(sample.reply.prompt_tokens for sample in good), delta("vllm:prompt_tokens_total")),
        _count(
            "output tokens", sum(sample.reply.output_tokens for sample in good), delta("vllm:generation_tokens_total")
        ),
        _time("mean time to first token, s", _mean(waits), first, may_wait_before=True),
        _time("mean time end to end, s", _mean(times), whole, may_wait_before=True),
    ]
    if not held_back:
        compared.append(_time("mean time from first token to end, s", _mean(times) - _mean(waits), whole - first))
    return compared


def _count(quantity: str, client: float, server: float) -> Reconciliation:
    return Reconciliation(quantity, float(client), server, 0.0)


def _time(quantity: str, client: float, server: float, *, may_wait_before: bool = False) -> Reconciliation:
    bound = max(RELATIVE_BOUND * server, ABSOLUTE_BOUND_S)
    return Reconciliation(quantity, client, server, bound, may_wait_before)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def server_figures(
    gauges: Iterable[Mapping[str, float]], before: Mapping[str, float], after: Mapping[str, float]
) -> dict[str, float | None]:
    """The server's state during a load: depth of its queues, KV cache, preemptions, prefix-cache hits.

    None where the server does not tell.
    """
    gauges = list(gauges)

    def seen(name: str) -> list[float]:
        return [sample[name] for sample in gauges if name in sample]

    def delta(name: str) -> float | None:
        return after[name] - before.get(name, 0.0) if name in after else None

    hits, queries = delta("vllm:prefix_cache_hits_total"), delta("vllm:prefix_cache_queries_total")
    running, waiting = seen(RUNNING), seen(WAITING)
    return {
        "running_mean": _mean(running) if running else None,
        "running_max": max(running, default=None),
        "waiting_mean": _mean(waiting) if waiting else None,
        "waiting_max": max(waiting, default=None),
        "kv_cache_max": max(seen(KV_CACHE_USE), default=None),
        "preemptions": delta("vllm:num_preemptions_total"),
        "prefix_cache_hit_rate": hits / queries if queries and hits is not None else None,
    }
