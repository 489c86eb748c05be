"""Intervals and tests against scipy and statsmodels on fixed data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from fc_assets.evaluation import intervals


@pytest.mark.parametrize("successes, trials", [(0, 10), (10, 10), (7, 10), (351, 1000), (1, 6000)])
def test_wilson_is_that_of_statsmodels_and_scipy(successes: int, trials: int) -> None:
    found = intervals.wilson(successes, trials)
    assert (found.low, found.high) == pytest.approx(proportion_confint(successes, trials, method="wilson"), abs=1e-12)
    theirs = binomtest(successes, trials).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_wilson_without_trials() -> None:
    assert intervals.wilson(0, 0) is None


@pytest.mark.parametrize("first, second", [(0, 0), (1, 0), (5, 15), (40, 41), (3, 200)])
def test_mcnemar_is_that_of_statsmodels(first: int, second: int) -> None:
    theirs = mcnemar([[100, first], [second, 50]], exact=True).pvalue if first + second else 1.0
    assert intervals.mcnemar_exact(first, second) == pytest.approx(theirs)


@pytest.mark.parametrize("p_values", [[0.01, 0.04, 0.03], [0.2], [0.5, 0.5, 0.001, 0.02], [0.9, 0.8]])
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    assert intervals.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


def test_holm_leaves_out_what_was_not_tested() -> None:
    assert intervals.holm([0.01, None, 0.04]) == [0.02, None, 0.04]


def test_the_bootstrap_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    above = rng.poisson(3, 400).astype(float)
    below = above + rng.poisson(2, 400) + 1
    theirs = bootstrap(
        (above, below), lambda a, b: a.sum() / b.sum(), paired=True, vectorized=False, n_resamples=4000,
        method="percentile", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    sums = intervals.bootstrap_sums(np.stack([above, below], axis=1), samples=10_000, seed=3)
    found = intervals.percentile_interval(sums[:, 0] / sums[:, 1])
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_clusters_widen_the_interval_as_far_as_rows_repeat() -> None:
    rng = np.random.default_rng(0)
    hits = rng.integers(0, 2, 200).astype(float)
    rows = np.repeat(hits, 10)[:, None]
    clusters = np.repeat(np.arange(200), 10)
    by_cluster = intervals.sum_by_cluster(rows, clusters)
    assert by_cluster[:, 0].tolist() == (hits * 10).tolist()
    found = intervals.percentile_interval(intervals.bootstrap_sums(by_cluster)[:, 0] / 2000)
    alone = intervals.percentile_interval(intervals.bootstrap_sums(hits[:, None])[:, 0] / 200)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


def test_columns_share_their_draws_and_the_seed_decides_them() -> None:
    values = np.random.default_rng(0).random((50, 1))
    sums = intervals.bootstrap_sums(np.repeat(values, 2, axis=1), samples=500, seed=7)
    assert (sums[:, 0] == sums[:, 1]).all()
    assert intervals.bootstrap_sums(values, 500, seed=7)[:, 0] == pytest.approx(sums[:, 0])
    assert intervals.bootstrap_sums(values, 500, seed=8)[:, 0] != pytest.approx(sums[:, 0])


def test_p_of_a_difference() -> None:
    normal = np.random.default_rng(0).normal(0, 1, 100_000)
    assert intervals.bootstrap_p_value(normal + 1.96) == pytest.approx(0.05, abs=0.004)
    assert intervals.bootstrap_p_value(normal - 1.96) == pytest.approx(0.05, abs=0.004)
    assert intervals.bootstrap_p_value(np.zeros(100)) == 1.0
    assert intervals.bootstrap_p_value(np.ones(99)) == pytest.approx(2 / 100)
    assert intervals.bootstrap_p_value(np.array([np.nan])) is None
    assert intervals.percentile_interval(np.array([np.nan])) is None


def test_the_detectable_effect_is_detected_as_often_as_it_says() -> None:
    pairs, discordant = 600, 0.2
    effect = intervals.minimum_detectable_effect(pairs, discordant)
    rng = np.random.default_rng(0)
    shares = [(discordant + effect) / 2, (discordant - effect) / 2, 1 - discordant]
    draws = rng.multinomial(pairs, shares, size=1000)
    found = np.mean([intervals.mcnemar_exact(int(a), int(b)) < 0.05 for a, b, _ in draws])
    assert found == pytest.approx(0.8, abs=0.05)  # the exact test is a little conservative


def test_no_effect_is_detectable_without_disagreement() -> None:
    assert intervals.minimum_detectable_effect(100, 0.0) is None
    assert intervals.minimum_detectable_effect(0, 0.5) is None
    assert intervals.minimum_detectable_effect(5, 0.1) is None
