"""Intervals and tests for rates and ratios on paired, clustered rows. Plain arrays in, plain numbers out.

Rows that share a tool set are not independent, so ratios are resampled by cluster. What is tested is in
`report.comparison`, how it is shown in `report.render`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]

CONFIDENCE = 0.95
POWER = 0.8
BOOTSTRAP_SAMPLES = 10_000
_CHUNK_DRAWS = 4_000_000  # random draws held at once, 16 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided confidence interval."""

    low: float
    high: float


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval | None:
    """Wilson's score interval for a share; None without trials (Wilson 1927, JASA 22:209)."""
    if not trials:
        return None
    from scipy.stats import binomtest  # takes a second to import, and not every report needs it

    found = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Interval(float(found.low), float(found.high))


def sum_by_cluster(values: Floats, clusters: Numbers) -> Floats:
    """Column sums (clusters x columns) of `values` (rows x columns); `clusters` holds each row's number from 0."""
    count = int(clusters.max()) + 1 if len(clusters) else 0
    columns = [np.bincount(clusters, weights=column, minlength=count) for column in values.T]
    return np.stack(columns, axis=1) if columns else np.zeros((count, 0))


def bootstrap_sums(cluster_sums: Floats, samples: int = BOOTSTRAP_SAMPLES, seed: int = 42) -> Floats:
    """Column sums (samples x columns) of `samples` draws of all clusters with replacement.

    Columns of one call share their draws, so that a difference between two of them is a paired one.
    """
    count = len(cluster_sums)
    if not count:
        return np.zeros((samples, cluster_sums.shape[1]))
    rng = np.random.default_rng(seed)
    result = np.empty((samples, cluster_sums.shape[1]))
    step = max(1, _CHUNK_DRAWS // count)
    for start in range(0, samples, step):
        size = min(step, samples - start)
        draws = rng.integers(0, count, size=(size, count), dtype=np.int32)
        draws += (np.arange(size, dtype=np.int32) * count)[:, None]
        times_drawn = np.bincount(draws.ravel(), minlength=size * count).reshape(size, count)
        result[start : start + size] = times_drawn.astype(np.float64) @ cluster_sums
    return result


def percentile_interval(values: Floats, confidence: float = CONFIDENCE) -> Interval | None:
    """The percentile interval of bootstrap values; those that are not finite (an empty denominator) are left out."""
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.quantile(values, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(float(low), float(high))


def bootstrap_p_value(differences: Floats) -> float | None:
    """Two-sided p of "no difference": twice the smaller tail beyond zero, never below 2 / (samples + 1)."""
    differences = differences[np.isfinite(differences)]
    if not len(differences):
        return None
    tail = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (len(differences) + 1))


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Exact two-sided p of McNemar's test from the discordant pairs (rows right in only one of the two)."""
    from scipy.stats import binomtest

    discordant = only_first + only_second
    return float(binomtest(min(only_first, only_second), discordant, 0.5).pvalue) if discordant else 1.0


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment (Holm 1979); None stays None and does not count as a test."""
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (p, index) in enumerate(tested):
        running = max(running, (len(tested) - rank) * p)
        adjusted[index] = min(1.0, running)
    return adjusted


def minimum_detectable_effect(
    pairs: int, discordant_share: float, confidence: float = CONFIDENCE, power: float = POWER
) -> float | None:
    """The smallest difference of two paired shares that McNemar's test would find with `power`.

    From Connor's sample size n = (z_a sqrt(d) + z_b sqrt(d - e^2))^2 / e^2, solved for the effect e (Connor 1987,
    Biometrics 43:207). None where no pair disagrees, or where even complete disagreement would be too little.
    """
    from scipy.optimize import brentq

    if not pairs or discordant_share <= 0:
        return None
    z_alpha, z_beta = NormalDist().inv_cdf(0.5 + confidence / 2), NormalDist().inv_cdf(power)

    def surplus(effect: float) -> float:
        spread = max(0.0, discordant_share - effect * effect)
        return effect * math.sqrt(pairs) - z_alpha * math.sqrt(discordant_share) - z_beta * math.sqrt(spread)

    return float(brentq(surplus, 0.0, discordant_share)) if surplus(discordant_share) > 0 else None
