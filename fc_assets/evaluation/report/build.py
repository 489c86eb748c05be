"""Judged tables become the A/B/C report: estimates, counts, failures with examples.

The numbers come from `comparison`; pages, pictures and files are `render`, `plots` and `write`. What the gates make of
the report is not decided here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from fc_assets.calls.metrics import aggregate
from fc_assets.evaluation.answers import CUT
from fc_assets.evaluation.intervals import BOOTSTRAP_SAMPLES
from fc_assets.evaluation.report.comparison import Family, estimate
from fc_assets.evaluation.report.model import Counts, FailureExample, Report, Table
from fc_assets.evaluation.scoring import gold_rows
from fc_assets.evaluation.taxonomy import CATEGORIES
from fc_assets.names import ARM_MODELS, SHIPPED_VARIANT, TRAINED_FROM, VARIANT_LABELS

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES_EACH = 3

_FailingRow = tuple[list[list[str]], FailureExample]
"""What was wrong with a row, [category, detail] in order, and the row as an example of the first of it."""


def build_report(
    frames: Mapping[str, pd.DataFrame],
    weights: Mapping[str, float],
    *,
    samples: int = BOOTSTRAP_SAMPLES,
    seed: int = 42,
    extra_tables: Mapping[str, Table] | None = None,
    extra_texts: Mapping[str, str] | None = None,
) -> Report:
    """Compare variants that `scoring.score_rows` judged on the same rows: those of `names` first, others after them.

    `weights`, of the reward signals, are those that the tables were judged with. Raises FcAssetsError where the tables
    are about different rows.
    """
    known = [variant for variant in VARIANT_LABELS if variant in frames]
    order = [*known, *(variant for variant in frames if variant not in VARIANT_LABELS)]
    ordered = {variant: frames[variant] for variant in order}
    estimates = estimate(ordered, samples, seed, _families(order))
    failing = {variant: _failing(frame) for variant, frame in ordered.items()}
    return Report(
        variants=tuple(ordered),
        strata=estimates.strata,
        gold=aggregate(gold_rows(next(iter(ordered.values())), weights)),
        comparisons=estimates.comparisons,
        counts={variant: _counts(frame, len(failing[variant])) for variant, frame in ordered.items()},
        failures={variant: _count(rows, first_only=True) for variant, rows in failing.items()},
        occurrences={variant: _count(rows, first_only=False) for variant, rows in failing.items()},
        examples={variant: _examples(rows) for variant, rows in failing.items()},
        clusters=estimates.clusters,
        samples=samples,
        seed=seed,
        reward_weights=weights,
        frames=ordered,
        extra_tables=extra_tables or {},
        extra_texts=extra_texts or {},
    )


def _families(variants: Sequence[str]) -> list[Family]:
    """Each variant with the next; in a family of its own each arm with what it was trained from and what is shipped.

    So an arm makes no test of the other variants stricter.
    """
    arms = [variant for variant in variants if variant in ARM_MODELS]
    of_arms = [(other, arm) for arm in arms for other in (TRAINED_FROM[arm], SHIPPED_VARIANT) if other in variants]
    return [[*pairwise(variant for variant in variants if variant not in arms)], of_arms]


def _failing(frame: pd.DataFrame) -> list[_FailingRow]:
    wanted = frame[frame["failures"] != "[]"]
    rows = []
    columns = (wanted[name] for name in ("id", "context", "expected", "text", "failures"))
    for row_id, context, expected, text, failures in zip(*columns, strict=True):
        found = json.loads(failures)
        rows.append((found, FailureExample(row_id, context, expected, text, detail=found[0][1])))
    return rows


def _count(rows: Sequence[_FailingRow], first_only: bool) -> dict[str, int]:
    """Failing rows by category, each under its first one or under every one that it has."""
    counted = Counter(
        category for found, _ in rows for category in {part[0] for part in (found[:1] if first_only else found)}
    )
    return {category: counted[category] for category in CATEGORIES}


def _examples(rows: Sequence[_FailingRow]) -> dict[str, list[FailureExample]]:
    """Rows whose first failure is of the category, then rows in which it occurs beside another."""
    first: dict[str, list[FailureExample]] = {category: [] for category in CATEGORIES}
    beside: dict[str, list[FailureExample]] = {category: [] for category in CATEGORIES}
    for found, example in rows:
        leading = found[0][0]
        first[leading].append(example)
        for category, detail in {name: detail for name, detail in reversed(found) if name != leading}.items():
            beside[category].append(replace(example, detail=detail))
    return {category: [*first[category], *beside[category]][:EXAMPLES_EACH] for category in CATEGORIES}


def _counts(frame: pd.DataFrame, failed_rows: int) -> Counts:
    return Counts(
        rows=len(frame),
        infrastructure_failures=int(frame["infrastructure_failure"].sum()),
        cut=int((frame["finish_reason"] == CUT).sum()),
        failed_rows=failed_rows,
    )
