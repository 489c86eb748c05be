"""From judged tables to estimates: every metric with its interval, the strata, and the paired tests between variants.

All variants share one clustered bootstrap, so that differences are paired. The formulae are in `intervals`, the
metrics in `fc_assets.calls.metrics`; how the numbers are shown is `render`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import numpy as np

from fc_assets.calls.metrics import COLUMNS, METRIC_BY_NAME, METRICS, Metric
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation import intervals
from fc_assets.evaluation.report.model import ALL_ROWS, MetricEstimate, PairedTest, Strata
from fc_assets.evaluation.scoring import HELD_OUT_TEMPLATES, HELD_OUT_TOOLS

if TYPE_CHECKING:
    import pandas as pd

DECISION_METRIC = "exact_match"
TESTED_RATIO = "param_f1"
STRATA_METRICS = (DECISION_METRIC, "function_name_accuracy", TESTED_RATIO, "parse_rate")
NO_CALL = "no call"
OWN_TOOLS = "own tools"

Family = Sequence[tuple[str, str]]
"""Pairs of variants, first and second, whose tests are corrected together (Holm)."""


@dataclass(frozen=True)
class Estimates:
    """Every estimate, the paired tests, and how many clusters the rows fall into."""

    strata: Strata
    comparisons: Sequence[PairedTest]
    clusters: int


@dataclass
class _Sums:
    """Columns to sum and resample: each block is one variant on one set of rows."""

    clusters: np.ndarray
    masks: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    blocks: list[np.ndarray] = field(default_factory=list)
    places: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    width: int = 0

    def add(self, variant: str, rows: str, frame: pd.DataFrame, mask: np.ndarray, columns: Sequence[str]) -> None:
        """Add a block: the sums of `columns` over the judged rows of `mask`."""
        mask = mask & ~frame["infrastructure_failure"].to_numpy(dtype=bool)
        self.masks[variant, rows] = mask
        self.places[variant, rows] = {name: self.width + offset for offset, name in enumerate(columns)}
        self.width += len(columns)
        values = frame[list(columns)].to_numpy(dtype=np.float64, na_value=0.0)
        self.blocks.append(np.where(mask[:, None], values, 0.0))

    def draw(self, samples: int, seed: int) -> None:
        """Sum every column, and resample the sums by cluster."""
        by_cluster = intervals.sum_by_cluster(np.concatenate(self.blocks, axis=1), self.clusters)
        self.blocks.clear()
        self.totals = by_cluster.sum(axis=0)
        self.resampled = intervals.bootstrap_sums(by_cluster, samples, seed)

    def value(self, variant: str, rows: str, metric: Metric) -> float | None:
        """The metric itself."""
        places = self.places[variant, rows]
        return metric.value({name: float(self.totals[place]) for name, place in places.items()})

    def samples(self, variant: str, rows: str, metric: Metric) -> np.ndarray:
        """The metric's bootstrap values; nan where a draw has no row that counts."""
        places = self.places[variant, rows]
        above, below = (
            sum(weight * self.resampled[:, places[column]] for column, weight in part.items())
            for part in (metric.numerator, metric.denominator)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(below > 0, above / below, np.nan)

    def estimate(self, variant: str, rows: str, metric: Metric) -> MetricEstimate:
        """The metric with its interval: Wilson's for a share, the bootstrap's for a ratio."""
        places, value = self.places[variant, rows], self.value(variant, rows, metric)
        count = int(self.masks[variant, rows].sum())
        if metric.share:
            ((hits, _),), ((trials, _),) = metric.numerator.items(), metric.denominator.items()
            count = round(float(self.totals[places[trials]]))
            interval = intervals.wilson(round(float(self.totals[places[hits]])), count)
        else:
            drawn = None if value is None else self.samples(variant, rows, metric)
            interval = None if drawn is None else intervals.percentile_interval(drawn)
        return MetricEstimate(value, *_bounds(interval), count)


def estimate(
    frames: Mapping[str, pd.DataFrame], samples: int, seed: int, families: Sequence[Family] | None = None
) -> Estimates:
    """Every metric for every variant on all rows, the chief ones on each stratum, and the paired tests.

    The tests are those of `families`, by default one family of each variant with the next. `frames` are tables of
    `scoring.score_rows` over the same rows, the variants in the order of comparison. Raises FcAssetsError where they
    are not about the same rows.
    """
    frames, families = _aligned(frames), [[*pairwise(frames)]] if families is None else families
    first = next(iter(frames.values()))
    clusters = np.unique(first["cluster"].to_numpy(dtype=str), return_inverse=True)[1]
    sums = _Sums(clusters)
    everything = np.ones(len(first), dtype=bool)
    strata = dict(_strata(first))
    for variant, frame in frames.items():
        sums.add(variant, ALL_ROWS, frame, everything, COLUMNS)
        for stratum, mask in strata.items():
            sums.add(variant, stratum, frame, mask, _columns(STRATA_METRICS))
    for one, other in chain.from_iterable(families):
        for variant, partner in ((one, other), (other, one)):
            both = ~frames[partner]["infrastructure_failure"].to_numpy(dtype=bool)
            sums.add(variant, _with(partner), frames[variant], both, _columns((DECISION_METRIC, TESTED_RATIO)))
    sums.draw(samples, seed)
    found = {ALL_ROWS: {v: {m.name: sums.estimate(v, ALL_ROWS, m) for m in METRICS} for v in frames}}
    for stratum in strata:
        found[stratum] = {v: {name: _in_stratum(sums, v, stratum, name) for name in STRATA_METRICS} for v in frames}
    tests = [test for family in families for test in _paired_tests(family, frames, sums)]
    return Estimates(found, tests, int(clusters.max()) + 1)


def _in_stratum(sums: _Sums, variant: str, stratum: str, metric: str) -> MetricEstimate:
    """The metric on a stratum; none for parameters where none are expected, since any F1 there is 0."""
    if stratum == NO_CALL and metric == TESTED_RATIO:
        return MetricEstimate(None, None, None, 0)
    return sums.estimate(variant, stratum, METRIC_BY_NAME[metric])


def _aligned(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables with their rows in the first one's order."""
    if not frames:
        raise FcAssetsError("There is no variant to report on")
    order = next(iter(frames.values()))["id"]
    result = {}
    for variant, frame in frames.items():
        if frame["id"].duplicated().any():
            raise FcAssetsError(f"{variant}: row {frame['id'][frame['id'].duplicated()].iloc[0]} is scored twice")
        different = set(order) ^ set(frame["id"])
        if different:
            raise FcAssetsError(
                f"{variant} was scored on other rows than {next(iter(frames))} ({len(different)} differ, one is "
                f"{min(different)!r}); score all variants on the same data"
            )
        result[variant] = frame.set_index("id", drop=False).loc[order].reset_index(drop=True)
    return result


def _strata(frame: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    for kind in ("one call", "parallel calls", NO_CALL):
        yield from _if_any(kind, frame["call_kind"].to_numpy() == kind)
    for column, yes, no in (
        ("tools_seen_in_train", "tools seen in training", "tools not seen in training"),
        ("near_duplicate", "near-duplicates", "no near-duplicates"),
        ("multi_turn", "conversations of several answers", "conversations of one answer"),
    ):
        for name, wanted in ((yes, True), (no, False)):
            yield from _if_any(name, (frame[column] == wanted).fillna(False).to_numpy(dtype=bool))
    yield from _own_tools_strata(frame["own_tools"].to_numpy(dtype=object))


def _own_tools_strata(own: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    yield from _if_any(OWN_TOOLS, own != "")
    for kind in (HELD_OUT_TEMPLATES, HELD_OUT_TOOLS):
        yield from _if_any(own_tools_stratum(kind), own == kind)


def own_tools_stratum(kind: str) -> str:
    """The stratum of the rows about own tools whose column `own_tools` is `kind`."""
    return f"{OWN_TOOLS}, {kind}"


def _if_any(name: str, mask: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    if mask.any() and not mask.all():
        yield name, mask


def _columns(metrics: Sequence[str]) -> list[str]:
    chosen = [METRIC_BY_NAME[name] for name in metrics]
    return sorted({column for metric in chosen for part in (metric.numerator, metric.denominator) for column in part})


def _with(partner: str) -> str:
    return f"rows that {partner} answered too"


def _paired_tests(family: Family, frames: Mapping[str, pd.DataFrame], sums: _Sums) -> list[PairedTest]:
    found = [
        test
        for first, second in family
        for test in (_exact_test(first, second, frames, sums), _ratio_test(first, second, TESTED_RATIO, sums))
    ]
    adjusted = intervals.holm([test.p_value for test in found])
    return [replace(test, p_holm=p) for test, p in zip(found, adjusted, strict=True)]


def _ratio_test(first: str, second: str, metric: str, sums: _Sums) -> PairedTest:
    """The difference by the shared bootstrap; p is not corrected yet."""
    chosen = METRIC_BY_NAME[metric]
    before, after = sums.value(first, _with(second), chosen), sums.value(second, _with(first), chosen)
    differences = sums.samples(second, _with(first), chosen) - sums.samples(first, _with(second), chosen)
    low, high = _bounds(intervals.percentile_interval(differences))
    return PairedTest(
        first=first,
        second=second,
        metric=metric,
        difference=None if before is None or after is None else after - before,
        low=low,
        high=high,
        p_value=intervals.bootstrap_p_value(differences),
        p_holm=None,
        test="paired bootstrap, clustered by tool set",
        pairs=int(_answered_by_both(first, second, sums).sum()),
    )


def _exact_test(first: str, second: str, frames: Mapping[str, pd.DataFrame], sums: _Sums) -> PairedTest:
    """The same for exact matches, with McNemar's test in place of the bootstrap's p."""
    both = _answered_by_both(first, second, sums)
    right_first, right_second = (
        frames[variant]["exact"].to_numpy(dtype=float, na_value=0.0)[both] > 0 for variant in (first, second)
    )
    only_first, only_second = int((right_first & ~right_second).sum()), int((right_second & ~right_first).sum())
    pairs = int(both.sum())
    discordant = (only_first + only_second) / pairs if pairs else 0.0
    return replace(
        _ratio_test(first, second, DECISION_METRIC, sums),
        p_value=intervals.mcnemar_exact(only_first, only_second),
        test="exact McNemar",
        only_first=only_first,
        only_second=only_second,
        detectable=intervals.minimum_detectable_effect(pairs, discordant),
    )


def _answered_by_both(first: str, second: str, sums: _Sums) -> np.ndarray:
    both: np.ndarray = sums.masks[first, _with(second)] & sums.masks[second, _with(first)]
    return both


def _bounds(interval: intervals.Interval | None) -> tuple[float | None, float | None]:
    return (interval.low, interval.high) if interval else (None, None)
