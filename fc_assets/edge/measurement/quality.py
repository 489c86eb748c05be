"""What quantisation changed, on the same rows and at the same places: the paired loss, its bounds, and the likelihoods.

Plain numbers in and out; the answers are judged in `report`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

_ONE_SIDED = NormalDist().inv_cdf(0.95)
_LEAST = 1e-12  # so that no logarithm is infinite where a file rules a token out


@dataclass(frozen=True)
class PairedLoss:
    """How much fewer rows one file has right than the other, as shares of all rows; negative where it has more.

    `only_baseline` and `only_this` count the rows that one file alone has right. `at_most` is the upper end of the
    one-sided 95 % interval of the loss; `p_value` is McNemar's exact test's; `detectable` is the smallest difference
    that the test would find with 80 % power, None where no row differs.
    """

    loss: float
    at_most: float
    only_baseline: int
    only_this: int
    p_value: float
    detectable: float | None


def paired_loss(baseline: Sequence[bool], this: Sequence[bool]) -> PairedLoss:
    """Compare two files on the same rows, of which there must be one.

    The interval is Agresti and Min's: a Wald interval after half a row is added to each of the four cells (2005,
    Statistics in Medicine 24:729). So no difference in few rows is no proof of none.
    """
    from fc_assets.evaluation.intervals import mcnemar_exact, minimum_detectable_effect

    only_baseline = sum(one and not other for one, other in zip(baseline, this, strict=True))
    only_this = sum(other and not one for one, other in zip(baseline, this, strict=True))
    rows = len(baseline)
    lost, won, adjusted = only_baseline + 0.5, only_this + 0.5, rows + 2
    error = math.sqrt(lost + won - (lost - won) ** 2 / adjusted) / adjusted
    return PairedLoss(
        loss=(only_baseline - only_this) / rows,
        at_most=(lost - won) / adjusted + _ONE_SIDED * error,
        only_baseline=only_baseline,
        only_this=only_this,
        p_value=mcnemar_exact(only_baseline, only_this),
        detectable=minimum_detectable_effect(rows, (only_baseline + only_this) / rows),
    )


def divergence(baseline: Mapping[int, float], this: Mapping[int, float]) -> float:
    """The Kullback-Leibler divergence of `this` from `baseline`, in nats, over the tokens in both, all others as one.

    Putting tokens together can only make it smaller (the data-processing inequality).
    """
    both = baseline.keys() & this.keys()
    pairs = [(baseline[token], this[token]) for token in both]
    rest = [max(0.0, 1 - sum(side)) for side in zip(*pairs, strict=True)] if pairs else [1.0, 1.0]
    return sum(p * math.log(p / max(q, _LEAST)) for p, q in [*pairs, (rest[0], rest[1])] if p > _LEAST)


def mean_divergence(baseline: Sequence[Mapping[int, float]], this: Sequence[Mapping[int, float]]) -> float | None:
    """The mean of `divergence` over all places; None where there is none."""
    found = [divergence(one, other) for one, other in zip(baseline, this, strict=True)]
    return statistics.fmean(found) if found else None


def top_agreement(baseline: Sequence[Mapping[int, float]], this: Sequence[Mapping[int, float]]) -> float | None:
    """The share of places at which both files have the same likeliest token; None where there is no place."""
    found = [_top(one) == _top(other) for one, other in zip(baseline, this, strict=True)]
    return statistics.fmean(found) if found else None


def _top(probabilities: Mapping[int, float]) -> int:
    return max(probabilities, key=lambda token: (probabilities[token], -token))
