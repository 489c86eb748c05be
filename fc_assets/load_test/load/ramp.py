"""A load whose rate rises evenly: when each request is sent, and how those of each slice of the time fared.

Sending at given times is `generator.replay`; a search for the highest load is in `capacity`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fc_assets.load_test.load.generator import LoadResult, Sample
from fc_assets.load_test.load.request_statistics import latencies, meets, succeeded
from fc_assets.profiles import ServiceLevel

SLICES = 10
"""Slices of the time, and so of the rates, for which figures are given."""


def ramp_times(first: float, last: float, seconds: float, seed: int) -> list[float]:
    """When the requests of a Poisson process are sent whose rate goes from `first` to `last` (per second) in `seconds`.

    Their number is the expected one. Given it, the arrivals are as many independent points that are uniform on the
    scale of expected arrivals (Çinlar, Introduction to Stochastic Processes, 1975, ch. 4): these are drawn and mapped
    back to times.
    """
    expected, rise = (first + last) / 2 * seconds, (last - first) / seconds
    drawn = np.sort(np.random.default_rng(seed).uniform(0, expected, max(round(expected), 1)))
    # Solves first * t + rise * t^2 / 2 = drawn for t, in the form that holds for a rise of 0 too.
    times = 2 * drawn / (first + np.sqrt(np.maximum(first**2 + 2 * rise * drawn, 0)))
    return [float(when) for when in times]


def ramp_slices(
    result: LoadResult, first: float, last: float, seconds: float, slo: ServiceLevel
) -> list[dict[str, Any]]:
    """A row for each slice in which requests were sent: its mean `rate` (per second), `requests`, how many `failed`,
    the share that kept the SLO, and P50 and P95 of TTFT in milliseconds (None where nothing succeeded).
    """
    begun = result.samples[0].intended if result.samples else 0.0
    by_slice: list[list[Sample]] = [[] for _ in range(SLICES)]
    for sample in result.samples:
        by_slice[min(int((sample.intended - begun) / seconds * SLICES), SLICES - 1)].append(sample)
    rows = []
    for number, sent in enumerate(by_slice):
        if not sent:
            continue
        found = latencies(succeeded(sent))
        waits = np.percentile(found.ttft * 1e3, (50, 95)).tolist() if len(found.ttft) else (None, None)
        rows.append(
            {
                "rate": first + (last - first) * (number + 0.5) / SLICES,
                "requests": len(sent),
                "failed": len(sent) - len(found.ttft),
                "slo_share": float(meets(slo, found).sum()) / len(sent),
                "TTFT P50 ms": waits[0],
                "TTFT P95 ms": waits[1],
            }
        )
    return rows
