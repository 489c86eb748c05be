"""The report in words: the same sections as Markdown and as one self-contained HTML page. Computes no number."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from fc_assets.calls.metrics import METRIC_BY_NAME, METRICS
from fc_assets.evaluation.report.build import (
    FAILURES_PLOT,
    METRICS_PLOT,
    Example,
    Report,
    estimate_text,
    interval_text,
    label,
)
from fc_assets.evaluation.report.comparison import ALL_ROWS, STRATA_METRICS, Comparison
from fc_assets.evaluation.taxonomy import CATEGORIES

TITLE = "Function calling: what training changed"
_MAX_TEXT = 600  # characters of a query or an answer shown in an example
_DASH = "\u2013"
_SIGNIFICANT = 0.05


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
            text += "\n" + "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"
    text += "\n## Examples of failures\n"
    for category, variant, examples in _examples(report):
        text += f"\n### {category} ({label(variant)})\n"
        for example in examples:
            shown = (
                f"asked: {_cut(example.context)}\nexpected: {_cut(example.expected)}\nanswered: {_cut(example.text)}"
            )
            text += f"\n`{example.id}`: {example.detail}\n\n{_indented(shown)}\n"
    return text


def html(report: Report, pictures: Mapping[str, bytes]) -> str:
    """The report as one HTML file without any outside reference; `pictures` are PNG bytes by file name."""
    body = [f"<header><h1>{TITLE}</h1><ul>{''.join(f'<li>{escape(x)}</li>' for x in summary(report))}</ul></header>"]
    for section in _sections(report):
        body.append(f"<section><h2>{escape(section.title)}</h2><p>{escape(section.text)}</p>")
        if section.picture:
            data = base64.b64encode(pictures[section.picture]).decode()
            body.append(f'<img alt="{escape(section.title)}" src="data:image/png;base64,{data}">')
        if section.rows:
            body.append(_html_table(section))
        body.append("</section>")
    body.append("<section><h2>Examples of failures</h2>")
    for category, variant, examples in _examples(report):
        shown = "".join(map(_html_example, examples))
        body.append(
            f"<details><summary>{escape(category)} <small>{escape(label(variant))}</small></summary>{shown}</details>"
        )
    body.append("</section>")
    return _PAGE.replace("{title}", TITLE).replace("{body}", "\n".join(body))


def summary(report: Report) -> Iterator[str]:
    """What a reader in a hurry needs: sizes, and each comparison in a sentence."""
    for variant in report.variants:
        counts = report.counts[variant]
        exact = report.metrics[variant]["exact_match"]
        sentence = f"{label(variant)}: exact match {_number(exact.value)} {interval_text(exact)} on {exact.rows} rows"
        if counts.infrastructure_failures:
            sentence += f"; rows without an answer, not judged: {counts.infrastructure_failures}"
        if counts.cut:
            sentence += f"; answers cut at the limit of tokens: {counts.cut}"
        yield sentence + "."
    yield from map(_sentence, report.comparisons)


def _sentence(found: Comparison) -> str:
    name = METRIC_BY_NAME[found.metric].label.lower().replace(" f1", " F1")
    if found.difference is None or found.p_holm is None:
        return f"{label(found.second)} and {label(found.first)} cannot be compared on {name}."
    if found.p_holm >= _SIGNIFICANT:
        verdict = "does not differ detectably from"
    else:
        verdict = "is better than" if found.difference > 0 else "is worse than"
    return (
        f"{label(found.second)} {verdict} {label(found.first)} on {name}: {found.difference:+.3f} "
        f"[{_number(found.low)}, {_number(found.high)}], {_p_text(found.p_holm)} after Holm ({found.test})."
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
                *(estimate_text(report.metrics[variant][metric.name]) for variant in variants),
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
        [_comparison_row(found) for found in report.comparisons],
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
                str(by_name["exact_match"].rows),
                *(estimate_text(by_name[name]) for name in STRATA_METRICS),
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
        yield _Section(title, text, header, [[_any(record.get(name)) for name in header] for record in records])


def _comparison_row(found: Comparison) -> tuple[str, ...]:
    discordant = _DASH if found.only_first is None else f"{found.only_first} / {found.only_second}"
    return (
        f"{label(found.first)} to {label(found.second)}",
        METRIC_BY_NAME[found.metric].label,
        _DASH if found.difference is None else f"{found.difference:+.3f}",
        f"[{_number(found.low)}, {_number(found.high)}]",
        _p_text(found.p_value, bare=True),
        _p_text(found.p_holm, bare=True),
        discordant,
        _number(found.detectable),
    )


def _examples(report: Report) -> Iterator[tuple[str, str, Sequence[Example]]]:
    """Three for each category and variant, the last variant's first: its failures are those that remain."""
    for category in CATEGORIES:
        for variant in reversed(report.variants):
            if report.examples[variant][category]:
                yield category, variant, report.examples[variant][category]


def _number(value: float | None) -> str:
    return _DASH if value is None else f"{value:.3f}"


def _p_text(p: float | None, bare: bool = False) -> str:
    if p is None:
        return _DASH
    text = "< 0.001" if p < 0.001 else f"{p:.3f}"
    return text if bare else f"p {text}" if p < 0.001 else f"p = {text}"


def _any(value: Any) -> str:
    if value is None:
        return _DASH
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + " ..."


def _indented(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


def _html_table(section: _Section) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in section.header)
    rows = ("".join(f"<td>{_html_cell(cell)}</td>" for cell in row) for row in section.rows)
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(f"<tr>{row}</tr>" for row in rows)}</table></div>'


def _html_cell(text: str) -> str:
    """An interval steps back behind its value."""
    value, bracket, interval = text.partition(" [")
    return f"{escape(value)} <small>[{escape(interval)}</small>" if bracket else escape(text)


def _html_example(example: Example) -> str:
    parts = (("asked", example.context), ("expected", example.expected), ("answered", example.text))
    shown = "".join(f"<dt>{name}</dt><dd>{escape(_cut(text))}</dd>" for name, text in parts)
    return f"<article><p><code>{escape(example.id)}:</code> {escape(example.detail)}</p><dl>{shown}</dl></article>"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root { --ink: #2b3440; --soft: #6b7785; --line: #e3e7ec; --paper: #fff; --back: #f5f7f9; --mark: #3b78b5; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 15px/1.55 system-ui, "Segoe UI", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 24px 16px 64px; }
header, section { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 20px 28px;
  margin-bottom: 20px; }
header { border-top: 4px solid var(--mark); }
h1 { font-size: 26px; margin: 4px 0 12px; }
h2 { font-size: 19px; margin: 0 0 6px; }
ul { margin: 0; padding-left: 20px; }
section > p { color: var(--soft); max-width: 80ch; margin: 0 0 14px; }
img { display: block; width: 100%; height: auto; margin: 8px 0 16px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th { text-align: left; border-bottom: 2px solid var(--line); padding: 7px 12px 7px 0; vertical-align: bottom; }
td { border-bottom: 1px solid var(--line); padding: 6px 12px 6px 0; white-space: nowrap; }
tr:hover td { background: var(--back); }
small { color: var(--soft); font-size: 12px; }
details { border-bottom: 1px solid var(--line); padding: 6px 0; }
summary { cursor: pointer; font-weight: 600; }
article { border-left: 3px solid var(--line); padding: 2px 0 2px 14px; margin: 12px 0; }
article p { margin: 0 0 4px; }
dl { display: grid; grid-template-columns: 80px 1fr; gap: 4px 10px; margin: 0; font-size: 13px; }
dt { color: var(--soft); }
dd { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font-family: ui-monospace, Menlo, Consolas, monospace; }
code { font-family: ui-monospace, Menlo, Consolas, monospace; color: var(--soft); }
</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""
