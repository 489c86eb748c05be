"""The report in words: the same sections as Markdown and as one self-contained HTML page. Computes no number.

The page is `templates/report.html.j2`, which escapes every text that is put into it. Its rows are `rows`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.calls.metrics import METRIC_BY_NAME, METRICS
from fc_assets.evaluation.report.comparison import DECISION_METRIC, STRATA_METRICS
from fc_assets.evaluation.report.model import (
    ALL_ROWS,
    HEADLINE,
    FailureExample,
    MetricEstimate,
    PairedTest,
    Report,
    label,
)
from fc_assets.evaluation.taxonomy import CATEGORIES
from fc_assets.foundation.presentation.pages import render_page
from fc_assets.names import FAILURES_PLOT, METRICS_PLOT

TITLE = "Function calling: what training changed"
_MAX_TEXT = 600  # characters of a query or an answer shown in an example
_DASH = "\u2013"
_SIGNIFICANT = 0.05
_MARKUP = re.compile(r"[\\`*\[\]<>&|]")


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    text: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    picture: str = ""


def markdown(report: Report) -> str:
    """The report as Markdown; the pictures are referred to as files beside it."""
    parts = [f"# {TITLE}", *(f"- {line}" for line in summary(report))]
    text = "\n".join([parts[0], "", *parts[1:], ""])
    for section in _sections(report):
        text += f"\n## {section.title}\n\n{section.text}\n"
        if section.picture:
            text += f"\n![{section.title}]({section.picture})\n"
        if section.rows:
            lines = [section.header, ["---"] * len(section.header), *section.rows]
            text += "\n" + "\n".join(f"| {' | '.join(map(_markdown_cell, line))} |" for line in lines) + "\n"
    text += "\n## Examples of failures\n"
    for category, variant, examples in _examples(report):
        text += f"\n### {category} ({label(variant)})\n"
        for example in examples:
            shown = (
                f"asked: {_cut(example.context)}\nexpected: {_cut(example.expected)}\nanswered: {_cut(example.text)}"
            )
            text += f"\n`{example.id}`: {_markdown_text(example.detail)}\n\n{_indented(shown)}\n"
    return text


def html(report: Report, pictures: Mapping[str, bytes], facts: Mapping[str, str], demo: bool, rows: str) -> str:
    """The report as one HTML file without any outside reference; `pictures` are PNG bytes by file name.

    `facts` say where it comes from, and `demo` that it is for showing the pipeline only (`origin`);
    `rows` are all rows, packed for the script.
    """
    templates = Path(__file__).parent / "templates"
    return render_page(
        templates / "report.html.j2",
        script=templates / "rows.js",
        cut=_cut,
        title=TITLE,
        facts=facts,
        demo=demo,
        summary=summary(report),
        sections=_sections(report),
        pictures={name: base64.b64encode(png).decode() for name, png in pictures.items()},
        failures=[(category, label(variant), examples) for category, variant, examples in _examples(report)],
        rows=rows,
    )


def headline(report: Report) -> list[dict[str, Any]]:
    """The A/B/C table in a few narrow columns: each headline metric with half the width of its interval.

    What the data allow at most is a column where that is less than 1 for any of them.
    """
    limited = any(report.gold[name] not in (1, None) for name in HEADLINE)
    return [
        {
            "metric": short,
            **{label(variant): _compact(report.metrics[variant][name]) for variant in report.variants},
            **({"ceiling": _compact_number(report.gold[name])} if limited else {}),
        }
        for name, short in HEADLINE.items()
    ]


def all_metrics(report: Report) -> list[dict[str, Any]]:
    """Every metric with its interval for each variant, and what the data allows at most."""
    return [
        {
            "metric": metric.name,
            **{label(variant): _estimate_text(report.metrics[variant][metric.name]) for variant in report.variants},
            "gold ceiling": report.gold[metric.name],
        }
        for metric in METRICS
    ]


def summary(report: Report) -> Iterator[str]:
    """What a reader in a hurry needs: sizes, and each comparison in a sentence."""
    for variant in report.variants:
        counts = report.counts[variant]
        exact = report.metrics[variant][DECISION_METRIC]
        sentence = f"{label(variant)}: exact match {_number(exact.value)} {_interval_text(exact)} on {exact.rows} rows"
        if counts.infrastructure_failures:
            sentence += f"; rows without an answer, not judged: {counts.infrastructure_failures}"
        if counts.cut:
            sentence += f"; answers cut at the limit of tokens: {counts.cut}"
        yield sentence + "."
    yield from map(_test_sentence, report.comparisons)


def _test_sentence(test: PairedTest) -> str:
    name = METRIC_BY_NAME[test.metric].label.lower().replace(" f1", " F1")
    if test.difference is None or test.p_holm is None:
        return f"{label(test.second)} and {label(test.first)} cannot be compared on {name}."
    if test.p_holm >= _SIGNIFICANT:
        verdict = "does not differ detectably from"
    else:
        verdict = "is better than" if test.difference > 0 else "is worse than"
    return (
        f"{label(test.second)} {verdict} {label(test.first)} on {name}: {test.difference:+.3f} "
        f"[{_number(test.low)}, {_number(test.high)}], {_p_text(test.p_holm)} after Holm ({test.test})."
    )


def _sections(report: Report) -> Iterator[_Section]:
    variants = report.variants
    yield _Section(
        "Metrics",
        "Each value with its 95 % interval: Wilson's for shares of rows, otherwise the percentile interval of "
        f"{report.samples:,} bootstrap draws of the {report.clusters:,} tool sets. The gold ceiling is the same metric "
        "on the expected calls themselves.",
        ("Metric", *(label(variant) for variant in variants), "Gold ceiling"),
        [
            (
                metric.label + ("" if metric.higher_is_better else " (lower is better)"),
                *(_estimate_text(report.metrics[variant][metric.name]) for variant in variants),
                _number(report.gold[metric.name]),
            )
            for metric in METRICS
        ],
        METRICS_PLOT,
    )
    yield _Section(
        "Paired tests",
        "Differences on the rows that both variants answered. p is corrected by Holm over all tests of this table. "
        "The least detectable difference is what the test, at 5 % and before Holm's correction, would find with 80 % "
        "power at this many disagreeing rows.",
        (
            "Comparison",
            "Metric",
            "Difference",
            "95 % interval",
            "p",
            "p (Holm)",
            "Only first / second right",
            "Detectable",
        ),
        [_test_row(test) for test in report.comparisons],
    )
    yield _Section(
        "Strata",
        "The chief metrics on parts of the rows; near-duplicates are rows that the data stage flagged because they "
        "nearly repeat a question of BFCL or another row. A part that holds no row, or every row, is not listed.",
        ("Rows", "Variant", "Number", *(METRIC_BY_NAME[name].label for name in STRATA_METRICS)),
        [
            (
                stratum,
                label(v),
                str(by_name[DECISION_METRIC].rows),
                *(_estimate_text(by_name[name]) for name in STRATA_METRICS),
            )
            for stratum, by_variant in report.strata.items()
            if stratum != ALL_ROWS
            for v, by_name in by_variant.items()
        ],
    )
    yield _Section(
        "Where the errors went",
        "Rows without an exact match, each counted once under the first thing that is wrong with it; in brackets the "
        "rows in which it occurs at all.",
        ("First failure", *(label(variant) for variant in variants)),
        [
            *(
                (category, *(f"{report.failures[v][category]} ({report.occurrences[v][category]})" for v in variants))
                for category in CATEGORIES
            ),
            (
                "all failing rows",
                *(f"{report.counts[v].failed_rows} of {report.counts[v].judged_rows}" for v in variants),
            ),
        ],
        FAILURES_PLOT,
    )
    for title, records in report.extra_tables.items():
        header = list(dict.fromkeys(name for record in records for name in record))
        text = report.extra_texts.get(title, "")
        yield _Section(title, text, header, [[_value_text(record.get(name)) for name in header] for record in records])


def _test_row(test: PairedTest) -> tuple[str, ...]:
    discordant = _DASH if test.only_first is None else f"{test.only_first} / {test.only_second}"
    return (
        f"{label(test.first)} to {label(test.second)}",
        METRIC_BY_NAME[test.metric].label,
        _DASH if test.difference is None else f"{test.difference:+.3f}",
        f"[{_number(test.low)}, {_number(test.high)}]",
        _p_text(test.p_value, bare=True),
        _p_text(test.p_holm, bare=True),
        discordant,
        _number(test.detectable),
    )


def _examples(report: Report) -> Iterator[tuple[str, str, Sequence[FailureExample]]]:
    """Three for each category and variant, the last variant's first: its failures are those that remain."""
    for category in CATEGORIES:
        for variant in reversed(report.variants):
            if report.examples[variant][category]:
                yield category, variant, report.examples[variant][category]


def _estimate_text(estimate: MetricEstimate) -> str:
    """A value and its interval as text; a dash where there is none."""
    return _DASH if estimate.value is None else f"{estimate.value:.3f} {_interval_text(estimate)}"


def _compact(estimate: MetricEstimate) -> str:
    """Such as `.788±.033`: a value and half the width of its interval."""
    if estimate.low is None or estimate.high is None:
        return _compact_number(estimate.value)
    return f"{_compact_number(estimate.value)}±{_compact_number((estimate.high - estimate.low) / 2)}"


def _compact_number(value: float | None) -> str:
    return _DASH if value is None else f"{value:.3f}".replace("0.", ".", 1) if value < 1 else f"{value:.2f}"


def _interval_text(estimate: MetricEstimate) -> str:
    """The bounds of an interval as text; a dash where there is none."""
    return _DASH if estimate.low is None or estimate.high is None else f"[{estimate.low:.3f}, {estimate.high:.3f}]"


def _number(value: float | None) -> str:
    return _DASH if value is None else f"{value:.3f}"


def _p_text(p: float | None, bare: bool = False) -> str:
    if p is None:
        return _DASH
    text = "< 0.001" if p < 0.001 else f"{p:.3f}"
    return text if bare else f"p {text}" if p < 0.001 else f"p = {text}"


def _value_text(value: Any) -> str:
    if value is None:
        return _DASH
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _markdown_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _markdown_text(text: str) -> str:
    """A text that a model chose, such as a tool's name, so that Markdown shows it as it is: no tag, link or heading."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + " ..."


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())
