"""Figures of hand-made loads, where each is known without the code."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fc_assets.load_test.load.client import Reply
from fc_assets.load_test.load.generator import LoadResult, Phase, Sample
from fc_assets.load_test.load.request_statistics import percentiles, pooled_percentiles, summarise
from fc_assets.profiles import ServiceLevel

SLO = ServiceLevel(ttft_p95_s=0.5, tpot_p95_s=0.1, at_concurrency=1)


def sample(
    index: int,
    intended: float,
    arrivals: list[float],
    *,
    phase: Phase = "measured",
    tokens: int | None = None,
    failure: str = "",
) -> Sample:
    reply = Reply(
        sent=intended,
        ended=arrivals[-1] if arrivals else intended,
        arrivals=arrivals,
        prompt_tokens=10,
        output_tokens=len(arrivals) if tokens is None else tokens,
        failure=failure,
    )
    return Sample(index, phase, intended, reply)


def summary(samples: list[Sample], **more: object) -> dict[str, Any]:
    measured = [each for each in samples if each.phase == "measured"]
    end = max((each.reply.ended for each in measured), default=0.0)
    start = measured[0].intended if measured else 0.0
    return summarise(LoadResult(samples, start, end, 0.5, 2.0, False), SLO, 0, **more)


def test_latencies_of_one_request() -> None:
    figures = summary([sample(0, 1.0, [1.2, 1.3, 1.5], tokens=5)])
    assert figures["ttft_p50_s"] == pytest.approx(0.2)
    assert figures["e2e_p50_s"] == pytest.approx(0.5)
    assert figures["tpot_p50_s"] == pytest.approx(0.3 / 4)  # five tokens in three events
    assert figures["itl_p50_s"] == pytest.approx(0.15)
    assert figures["client_cpu_share"] == 0.25


def test_failures_are_counted_by_kind_and_in_no_latency() -> None:
    good = [sample(i, float(i), [i + 0.1, i + 0.15]) for i in range(8)]
    bad = [sample(8, 8.0, [], failure="http_500"), sample(9, 9.0, [18.0], failure="timeout")]
    figures = summary([*good, *bad])
    assert figures["error_rate"] == pytest.approx(0.2)
    assert figures["failures"] == {"http_500": 1, "timeout": 1}
    assert figures["ttft_p99_s"] == pytest.approx(0.1)
    assert figures["slo_share"] == pytest.approx(0.8)


def test_throughput_counts_what_arrived_in_the_window_of_whichever_request() -> None:
    samples = [
        sample(0, 0.0, [0.5, 1.5, 2.5, 3.5], phase="warm-up"),  # three of its four tokens fall into the window
        sample(1, 1.0, [2.0, 3.0]),
        sample(2, 3.0, [4.0, 5.0]),
        sample(3, 4.0, [4.5, 6.0], phase="filler"),  # one of two
    ]
    figures = summary(samples)
    assert figures["window_s"] == 4.0
    assert figures["output_tokens_per_s"] == pytest.approx((3 + 2 + 2 + 1) / 4)
    assert figures["requests_per_s"] == pytest.approx(3 / 4)
    assert figures["total_tokens_per_s"] == pytest.approx((8 + 3 * 10) / 4)


def test_goodput_needs_both_promises() -> None:
    samples = [
        sample(0, 0.0, [0.1, 0.15]),
        sample(1, 1.0, [1.6, 1.65]),  # first token too late
        sample(2, 2.0, [2.1, 2.4]),  # tokens too slow
        sample(3, 3.0, [3.1], tokens=1),  # a single token has no pace
    ]
    figures = summary(samples)
    assert figures["slo_share"] == 0.5
    assert figures["goodput_per_s"] == pytest.approx(0.5 * figures["attempts_per_s"])


def test_tool_call_goodput_needs_a_valid_call_in_time() -> None:
    samples = [sample(0, 0.0, [0.1, 0.15]), sample(1, 1.0, [1.1, 1.15]), sample(2, 2.0, [2.9, 3.0])]
    figures = summary(samples, is_valid_call=lambda sample, _: sample.index != 1)
    assert figures["valid_call_share"] == pytest.approx(2 / 3)
    assert figures["tool_call_goodput_per_s"] == pytest.approx(1 / 3 * figures["attempts_per_s"])


def test_nothing_succeeded_gives_no_numbers_instead_of_zeros() -> None:
    figures = summary([sample(0, 0.0, [], failure="connect")])
    assert figures["error_rate"] == 1.0
    assert np.isnan(figures["ttft_p95_s"])
    assert figures["output_tokens_per_s"] == 0.0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=40), st.integers(0, 2**32 - 1))
def test_intervals_hold_their_estimate_and_lie_inside_the_data(values: list[float], seed: int) -> None:
    for estimate in percentiles(np.array(values), np.random.default_rng(seed)).values():
        assert min(values) - 1e-9 <= estimate.low <= estimate.high <= max(values) + 1e-9


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    truth = np.log(2)  # the median of an exponential
    hits = 0
    for _ in range(200):
        estimate = percentiles(rng.exponential(size=60), rng)[50]
        hits += estimate.low <= truth <= estimate.high
    assert 0.90 <= hits / 200 <= 0.99


def test_pooled_percentiles_are_those_of_all_values() -> None:
    rng = np.random.default_rng(1)
    groups = [rng.exponential(size=20) for _ in range(30)]
    found = pooled_percentiles(groups, rng)
    everything = np.concatenate(groups)
    for share, estimate in found.items():
        assert estimate.value == pytest.approx(np.percentile(everything, share))
        assert estimate.low <= estimate.value <= estimate.high


def test_whole_groups_are_resampled() -> None:
    """Thirty equal values from one request are one observation: the interval must not shrink because of them."""
    rng = np.random.default_rng(2)
    means = rng.normal(10, 1, size=12)
    clustered = pooled_percentiles([np.full(30, mean) for mean in means], rng)[50]
    single = percentiles(means, rng)[50]
    assert clustered.high - clustered.low == pytest.approx(single.high - single.low, rel=0.6)
