"""The paired loss and its bound, and how far two files' next tokens are apart."""

from __future__ import annotations

import math

import pytest

from fc_assets.edge.measurement.quality import divergence, mean_divergence, paired_loss, top_agreement


def _rows(both: int, only_baseline: int, only_this: int) -> tuple[list[bool], list[bool]]:
    baseline = [True] * (both + only_baseline) + [False] * only_this
    this = [True] * both + [False] * only_baseline + [True] * only_this
    return baseline, this


def test_a_loss_is_counted_on_the_rows_that_differ() -> None:
    found = paired_loss(*_rows(630, 40, 30))
    assert (found.loss, found.only_baseline, found.only_this) == (pytest.approx(10 / 700), 40, 30)
    assert found.p_value == pytest.approx(0.282, abs=1e-3)
    assert found.detectable == pytest.approx(0.0334, abs=1e-4)
    assert found.at_most == pytest.approx(0.0340, abs=1e-4)


def test_few_rows_without_a_difference_do_not_prove_that_there_is_none() -> None:
    """What a gate of 0.01 asks for: no difference in 40 rows leaves 0.04 open, in 165 rows less than 0.01."""
    assert paired_loss(*_rows(40, 0, 0)).at_most == pytest.approx(0.039, abs=1e-3)
    assert paired_loss(*_rows(165, 0, 0)).at_most < 0.01
    assert paired_loss(*_rows(40, 0, 0)).detectable is None


def test_divergence_is_that_of_the_distributions_with_all_other_tokens_as_one() -> None:
    assert divergence({1: 0.5, 2: 0.5}, {1: 0.5, 2: 0.5}) == pytest.approx(0)
    assert divergence({1: 0.5, 2: 0.5}, {1: 0.25, 2: 0.75}) == pytest.approx(
        0.5 * math.log(2) + 0.5 * math.log(0.5 / 0.75)
    )
    assert divergence({1: 0.6, 2: 0.3}, {1: 0.6, 3: 0.4}) == pytest.approx(0), "2 and 3 are among the others"
    assert math.isfinite(divergence({1: 1.0}, {2: 1.0})) or divergence({1: 1.0}, {2: 1.0}) == 0
    assert mean_divergence([], []) is None


def test_agreement_is_of_the_likeliest_token() -> None:
    assert top_agreement([{1: 0.6, 2: 0.4}, {1: 0.9}], [{1: 0.4, 2: 0.6}, {1: 0.8}]) == 0.5
    assert top_agreement([], []) is None
