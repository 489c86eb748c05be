"""The A/B/C report: what it holds and the files it becomes. Joins estimates, failures and pictures.

Numbers come from `comparison`, words and pages from `pages`, pictures from `plots`. Gates read `results.json`'s values;
they are not decided here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fc_assets.calls.metrics import METRICS, aggregate
from fc_assets.evaluation.report import comparison
from fc_assets.evaluation.report.comparison import ALL_ROWS, Comparison, Estimate
from fc_assets.evaluation.report.intervals import BOOTSTRAP_SAMPLES
from fc_assets.evaluation.scoring import gold_rows
from fc_assets.evaluation.taxonomy import CATEGORIES
from fc_assets.foundation.json_files import finite

if TYPE_CHECKING:
    import pandas as pd

LABELS: Mapping[str, str] = {"base": "Base", "sft": "SFT", "grpo": "SFT+GRPO"}
"""How the variants are called in tables and plots, in the order of comparison."""

EXAMPLES_EACH = 3
MARKDOWN_FILE, HTML_FILE, RESULTS_FILE, PREDICTIONS_FILE = (
    "report.md",
    "report.html",
    "results.json",
    "predictions.parquet",
)
METRICS_PLOT, FAILURES_PLOT = "metrics.png", "failures.png"
_NOT_KEPT = ("tools", "cluster")  # large and the same in the data, by id


@dataclass(frozen=True, slots=True)
class Example:
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
    are by variant and category; `extra_tables` (say, BFCL's) are shown as they come, by title, each below its text in
    `extra_texts` if it has one.
    """

    variants: tuple[str, ...]
    strata: Mapping[str, Mapping[str, Mapping[str, Estimate]]]
    gold: Mapping[str, float | None]
    comparisons: Sequence[Comparison]
    counts: Mapping[str, Counts]
    failures: Mapping[str, Mapping[str, int]]
    occurrences: Mapping[str, Mapping[str, int]]
    examples: Mapping[str, Mapping[str, Sequence[Example]]]
    clusters: int
    samples: int
    seed: int
    frames: Mapping[str, pd.DataFrame] = field(repr=False)
    extra_tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    extra_texts: Mapping[str, str] = field(default_factory=dict)

    @property
    def metrics(self) -> Mapping[str, Mapping[str, Estimate]]:
        """Every metric over all rows, by variant and name."""
        return self.strata[ALL_ROWS]


def label(variant: str) -> str:
    """How a variant is called in tables and plots."""
    return LABELS.get(variant, variant)


def build_report(
    frames: Mapping[str, pd.DataFrame],
    weights: Mapping[str, float],
    *,
    samples: int = BOOTSTRAP_SAMPLES,
    seed: int = 42,
    extra_tables: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    extra_texts: Mapping[str, str] | None = None,
) -> Report:
    """Compare variants that `scoring.score_rows` judged on the same rows: base, sft, grpo first, others after them.

    `weights`, of the reward signals, are those that the tables were judged with. Raises FcAssetsError where the tables
    are about different rows.
    """
    known = [variant for variant in LABELS if variant in frames]
    order = [*known, *(variant for variant in frames if variant not in LABELS)]
    ordered = {variant: frames[variant] for variant in order}
    estimates = comparison.estimate(ordered, samples, seed)
    failing = {variant: _failing(frame) for variant, frame in ordered.items()}
    return Report(
        variants=tuple(ordered),
        strata=estimates.strata,
        gold=aggregate(gold_rows(next(iter(ordered.values())), weights)),
        comparisons=estimates.comparisons,
        counts={variant: _counts(frame, failing[variant]) for variant, frame in ordered.items()},
        failures={variant: _count(rows, first_only=True) for variant, rows in failing.items()},
        occurrences={variant: _count(rows, first_only=False) for variant, rows in failing.items()},
        examples={variant: _examples(rows) for variant, rows in failing.items()},
        clusters=estimates.clusters,
        samples=samples,
        seed=seed,
        frames=ordered,
        extra_tables=extra_tables or {},
        extra_texts=extra_texts or {},
    )


def results(report: Report) -> dict[str, Any]:
    """The report as JSON data: numbers that are not finite become null.

    `variants.<name>.<metric>` holds the plain values under the names of docs/metrics.md, `intervals` their bounds.
    """
    return finite(
        {
            "variants": {
                variant: {
                    **{name: found.value for name, found in report.metrics[variant].items()},
                    "intervals": {name: [found.low, found.high] for name, found in report.metrics[variant].items()},
                    "rows_counted": {name: found.rows for name, found in report.metrics[variant].items()},
                    **asdict(report.counts[variant]),
                }
                for variant in report.variants
            },
            "gold": dict(report.gold),
            "comparisons": [asdict(found) for found in report.comparisons],
            "strata": {
                stratum: {
                    v: {name: asdict(found) for name, found in by_name.items()} for v, by_name in variants.items()
                }
                for stratum, variants in report.strata.items()
                if stratum != ALL_ROWS
            },
            "failures": report.failures,
            "failure_occurrences": report.occurrences,
            "extra_tables": report.extra_tables,
            "bootstrap": {"samples": report.samples, "seed": report.seed, "clusters": report.clusters},
        }
    )


def write_report(report: Report, folder: Path) -> dict[str, Path]:
    """Write report.md, report.html (one self-contained file), results.json, predictions.parquet and the two plots.

    The folder must exist. Returns the files by name.
    """
    import pandas as pd

    from fc_assets.evaluation.report import plots
    from fc_assets.evaluation.report import render as pages

    pictures = {METRICS_PLOT: plots.metrics_plot(report), FAILURES_PLOT: plots.failures_plot(report)}
    for name, png in pictures.items():
        (folder / name).write_bytes(png)
    (folder / MARKDOWN_FILE).write_text(pages.markdown(report), encoding="utf-8")
    (folder / HTML_FILE).write_text(pages.html(report, pictures), encoding="utf-8")
    text = json.dumps(results(report), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / RESULTS_FILE).write_text(text + "\n", encoding="utf-8")
    tables = [frame.drop(columns=list(_NOT_KEPT)).assign(variant=variant) for variant, frame in report.frames.items()]
    pd.concat(tables, ignore_index=True).to_parquet(folder / PREDICTIONS_FILE, index=False)
    names = (MARKDOWN_FILE, HTML_FILE, RESULTS_FILE, PREDICTIONS_FILE, *pictures)
    return {name: folder / name for name in names}


def headline(report: Report) -> list[dict[str, Any]]:
    """The A/B/C table as records: one for each metric, with its value and interval for each variant and the ceiling."""
    return [
        {
            "metric": metric.name,
            **{label(variant): estimate_text(report.metrics[variant][metric.name]) for variant in report.variants},
            "gold ceiling": report.gold[metric.name],
        }
        for metric in METRICS
    ]


def estimate_text(found: Estimate) -> str:
    """A value and its interval as text; a dash where there is none."""
    return "\u2013" if found.value is None else f"{found.value:.3f} {interval_text(found)}"


def interval_text(found: Estimate) -> str:
    """The bounds of an interval as text; a dash where there is none."""
    return "\u2013" if found.low is None or found.high is None else f"[{found.low:.3f}, {found.high:.3f}]"


def _failing(frame: pd.DataFrame) -> list[tuple[list[list[str]], Example]]:
    """The failing rows: what was wrong, in order, and the row as an example of the first of it."""
    wanted = frame[frame["failures"] != "[]"][["id", "context", "expected", "text", "failures"]]
    rows = []
    for row in wanted.itertuples(index=False):
        found = json.loads(row.failures)
        rows.append((found, Example(row.id, row.context, row.expected, row.text, found[0][1])))
    return rows


def _count(rows: Sequence[tuple[list[list[str]], Example]], first_only: bool) -> dict[str, int]:
    """Failing rows by category, each under its first one or under every one that it has."""
    counted = Counter(
        category for found, _ in rows for category in {part[0] for part in (found[:1] if first_only else found)}
    )
    return {category: counted[category] for category in CATEGORIES}


def _examples(rows: Sequence[tuple[list[list[str]], Example]]) -> dict[str, list[Example]]:
    """Rows whose first failure is of the category, then rows in which it occurs beside another."""
    first: dict[str, list[Example]] = {category: [] for category in CATEGORIES}
    beside: dict[str, list[Example]] = {category: [] for category in CATEGORIES}
    for found, example in rows:
        leading = found[0][0]
        first[leading].append(example)
        for category, detail in {name: detail for name, detail in reversed(found) if name != leading}.items():
            beside[category].append(replace(example, detail=detail))
    return {category: [*first[category], *beside[category]][:EXAMPLES_EACH] for category in CATEGORIES}


def _counts(frame: pd.DataFrame, failing: Sequence[object]) -> Counts:
    return Counts(
        rows=len(frame),
        infrastructure_failures=int(frame["infrastructure_failure"].sum()),
        cut=int((frame["finish_reason"] == "length").sum()),
        failed_rows=len(failing),
    )
