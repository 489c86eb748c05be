"""What the A/B/C report holds, as plain values. How they arise is `comparison` and `build`; how they look, `render`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fc_assets.names import VARIANT_LABELS

if TYPE_CHECKING:
    import pandas as pd

ALL_ROWS = "all rows"
"""The stratum of every row."""

HEADLINE: Mapping[str, str] = {
    "parse_rate": "parse rate",
    "function_name_accuracy": "function name",
    "param_f1": "parameter F1",
    "schema_hit": "schema hit",
    "exec_rate": "exec rate",
    "exact_match": "exact match",
    "irrelevance_accuracy": "irrelevance",
}
"""The metrics that are shown first, each by a name that leaves room for the numbers beside it."""

Table = Sequence[Mapping[str, Any]]
"""Records of one table, the columns being their keys."""


@dataclass(frozen=True, slots=True)
class MetricEstimate:
    """A metric's value with its 95 % interval over `rows` rows; None where no row counts for it."""

    value: float | None
    low: float | None
    high: float | None
    rows: int


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Two variants on the rows that both answered: `second` minus `first`.

    `only_first` and `only_second` count the rows that just one of them gets right (McNemar's discordant pairs), and
    `detectable` is the smallest difference that the test would find with 80 % power; all three are None for a ratio.
    """

    first: str
    second: str
    metric: str
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_holm: float | None
    test: str
    pairs: int
    only_first: int | None = None
    only_second: int | None = None
    detectable: float | None = None


Strata = Mapping[str, Mapping[str, Mapping[str, MetricEstimate]]]
"""Estimates by stratum, variant and metric name."""


@dataclass(frozen=True, slots=True)
class FailureExample:
    """A row that failed, as a person would look at it."""

    id: str
    context: str
    expected: str
    text: str
    detail: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows asked, rows not judged since no answer came, answers cut at the limit of tokens, rows that failed."""

    rows: int
    infrastructure_failures: int
    cut: int
    failed_rows: int

    @property
    def judged_rows(self) -> int:
        """Rows that have an answer."""
        return self.rows - self.infrastructure_failures


@dataclass(frozen=True)
class Report:
    """Everything that the report says.

    `failures` counts each failing row once, under its first category, `occurrences` under each that it has; `examples`
    are by variant and category; `reward_weights` are those by which `reward` was computed; `extra_tables` (for instance
    BFCL's) are shown as they come, by title, each below its text in `extra_texts` if it has one.
    """

    variants: tuple[str, ...]
    strata: Strata
    gold: Mapping[str, float | None]
    comparisons: Sequence[PairedTest]
    counts: Mapping[str, Counts]
    failures: Mapping[str, Mapping[str, int]]
    occurrences: Mapping[str, Mapping[str, int]]
    examples: Mapping[str, Mapping[str, Sequence[FailureExample]]]
    clusters: int
    samples: int
    seed: int
    reward_weights: Mapping[str, float]
    frames: Mapping[str, pd.DataFrame] = field(repr=False)
    extra_tables: Mapping[str, Table] = field(default_factory=dict)
    extra_texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def metrics(self) -> Mapping[str, Mapping[str, MetricEstimate]]:
        """Every metric over all rows, by variant and name."""
        return self.strata[ALL_ROWS]


def label(variant: str) -> str:
    """How a variant is called in tables and plots."""
    return VARIANT_LABELS.get(variant, variant)
