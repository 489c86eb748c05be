"""From the requests of one load to its figures: percentiles with intervals, throughput, goodput, failures.

Seconds and per-second throughout. Pure arithmetic: nothing here sends, stores or draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fc_assets.load_test.load.burstiness import burstiness
from fc_assets.load_test.load.client import CANCELLED, Reply
from fc_assets.load_test.load.generator import LoadResult, Sample
from fc_assets.profiles import ServiceLevel

BOOTSTRAP_SAMPLES = 1000
CONFIDENCE = 0.95
PERCENTILES = (50, 90, 95, 99)

Floats = NDArray[np.float64]
CallValidator = Callable[[Sample, Reply], bool | None]
"""Whether an answer to the request of that sample, under load or not, is a valid tool call; None: none is expected."""


@dataclass(frozen=True, slots=True)
class LatencyEstimate:
    """A percentile with its 95 % bootstrap interval; NaN where there was nothing to measure."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Latencies:
    """Of the measured requests that succeeded, in the order of sending, seconds.

    `ttft` is from the intended sending to the first output, `e2e` to the end of the answer, `tpot` the mean time
    between output tokens after the first (NaN for a single one). `gaps` holds each request's times between outputs.
    """

    ttft: Floats
    e2e: Floats
    tpot: Floats
    gaps: Sequence[Floats]


def succeeded(samples: Sequence[Sample]) -> list[Sample]:
    """Those that got a whole answer."""
    return [sample for sample in samples if not sample.reply.failure and sample.reply.arrivals]


def latencies(good: Sequence[Sample]) -> Latencies:
    """The latencies of samples that succeeded."""
    return Latencies(
        ttft=np.array([sample.reply.arrivals[0] - sample.intended for sample in good]),
        e2e=np.array([sample.reply.ended - sample.intended for sample in good]),
        tpot=np.array([_time_per_token(sample) for sample in good]),
        gaps=[np.diff(np.array(sample.reply.arrivals)) for sample in good],
    )


def _time_per_token(sample: Sample) -> float:
    reply = sample.reply
    if reply.output_tokens < 2:
        return float("nan")
    return (reply.arrivals[-1] - reply.arrivals[0]) / (reply.output_tokens - 1)


def percentiles(values: Floats, rng: np.random.Generator) -> dict[int, LatencyEstimate]:
    """The `PERCENTILES` of `values` (NaN left out), with percentile-bootstrap intervals over requests."""
    values = values[np.isfinite(values)]
    if not len(values):
        return {share: LatencyEstimate(float("nan"), float("nan"), float("nan")) for share in PERCENTILES}
    drawn = values[rng.integers(0, len(values), (BOOTSTRAP_SAMPLES, len(values)))]
    return _estimates(np.percentile(values, PERCENTILES), np.percentile(drawn, PERCENTILES, axis=1).T)


def pooled_percentiles(groups: Sequence[Floats], rng: np.random.Generator) -> dict[int, LatencyEstimate]:
    """The `PERCENTILES` of all values in `groups`, whole groups resampled: gaps within one request go together."""
    groups = [group for group in groups if len(group)]
    if not groups:
        return percentiles(np.array([]), rng)
    values = np.concatenate(groups)
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    order = np.argsort(values)
    values, owner = values[order], owner[order]
    drawn = np.empty((BOOTSTRAP_SAMPLES, len(PERCENTILES)))
    for row in drawn:
        # How often each group was drawn is the weight of each of its values: no resample is ever sorted.
        weight = np.bincount(rng.integers(0, len(groups), len(groups)), minlength=len(groups))[owner].cumsum()
        wanted = np.array(PERCENTILES) / 100 * weight[-1]
        row[:] = values[np.minimum(np.searchsorted(weight, wanted), len(values) - 1)]
    return _estimates(np.percentile(values, PERCENTILES), drawn)


def _estimates(values: NDArray[np.floating[Any]], drawn: Floats) -> dict[int, LatencyEstimate]:
    tail = (1 - CONFIDENCE) / 2 * 100
    low, high = np.percentile(drawn, (tail, 100 - tail), axis=0)
    rows = zip(PERCENTILES, values.tolist(), low.tolist(), high.tolist(), strict=True)
    return {share: LatencyEstimate(value, least, most) for share, value, least, most in rows}


def meets(slo: ServiceLevel, found: Latencies) -> NDArray[np.bool_]:
    """Which of the successful requests kept the promise; a single output token has no time per token to break it."""
    return (found.ttft <= slo.ttft_p95_s) & ~(found.tpot > slo.tpot_p95_s)


def summarise(
    result: LoadResult, slo: ServiceLevel, seed: int, is_valid_call: CallValidator | None = None
) -> dict[str, Any]:
    """All figures of one load as flat columns.

    `<what>_p<share>_s` with `_low` and `_high` for `ttft`, `itl`, `tpot`, `e2e`. Throughput counts what arrived inside
    the measuring window, whichever request it belongs to: neither the ramp at its start nor a drain at its end dilutes
    it. `goodput_per_s` is the successful rate times the share of measured requests that kept the SLO, failed ones
    having broken it. Failed requests are counted by kind in `failures` and are in no latency; those that the client
    `cancelled` are in nothing else. With `is_valid_call`, `valid_call_share` is of the requests that expect a call, and
    `tool_call_goodput_per_s` counts the requests that kept the SLO *and* brought the call where one is expected. How
    evenly the requests were sent is told by the columns of `burstiness`.
    """
    rng = np.random.default_rng(seed)
    sent = [sample for sample in result.samples if sample.phase == "measured"]
    measured = [sample for sample in sent if sample.reply.failure != CANCELLED]
    good = succeeded(measured)
    found = latencies(good)
    figures: dict[str, Any] = {
        "requests": len(measured),
        "completed": len(good),
        "error_rate": 1 - len(good) / len(measured) if measured else 1.0,
        "failures": dict(Counter(sample.reply.failure for sample in measured if sample.reply.failure)),
        "cancelled": len(sent) - len(measured),
        "requests_not_measured": len(result.samples) - len(sent),
    }
    for name, estimates in {
        "ttft": percentiles(found.ttft, rng),
        "itl": pooled_percentiles(found.gaps, rng),
        "tpot": percentiles(found.tpot, rng),
        "e2e": percentiles(found.e2e, rng),
    }.items():
        for share, estimate in estimates.items():
            figures |= {
                f"{name}_p{share}_s": estimate.value,
                f"{name}_p{share}_s_low": estimate.low,
                f"{name}_p{share}_s_high": estimate.high,
            }
    in_time = meets(slo, found)
    throughput = _throughput(result)
    attempts_per_s = throughput["attempts_per_s"]
    figures |= throughput
    figures["slo_share"] = _share(in_time, measured)
    figures["goodput_per_s"] = _share(in_time, measured) * attempts_per_s
    if is_valid_call:
        judged = [is_valid_call(sample, sample.reply) for sample in good]
        expected = len(measured) - judged.count(None)
        figures["valid_call_share"] = judged.count(True) / expected if expected else None
        not_wrong = np.array([each is not False for each in judged], dtype=bool)
        figures["tool_call_goodput_per_s"] = _share(in_time & not_wrong, measured) * attempts_per_s
    figures |= burstiness(result.samples)
    figures["client_cpu_share"] = result.client_cpu_s / result.wall_s if result.wall_s else 0.0
    return figures


def _share(chosen: NDArray[np.bool_], measured: Sequence[Sample]) -> float:
    return float(chosen.sum()) / len(measured) if measured else 0.0


def _throughput(result: LoadResult) -> Mapping[str, float]:
    start, end = result.window_start, result.window_end
    seconds = end - start
    ended = succeeded = 0
    output = prompt = events = 0.0
    for sample in result.samples:
        reply = sample.reply
        inside = start < reply.ended <= end
        ended += inside and reply.failure != CANCELLED
        if reply.failure or not reply.arrivals:
            continue
        succeeded += inside
        share = sum(start < when <= end for when in reply.arrivals) / len(reply.arrivals)
        events += share * len(reply.arrivals)
        output += share * reply.output_tokens
        prompt += reply.prompt_tokens * (start < reply.arrivals[0] <= end)
    per_second = 1 / seconds if seconds > 0 else 0.0
    return {
        "window_s": seconds,
        "attempts_per_s": ended * per_second,
        "requests_per_s": succeeded * per_second,
        "output_tokens_per_s": output * per_second,
        "total_tokens_per_s": (output + prompt) * per_second,
        "events_per_s": events * per_second,
    }
