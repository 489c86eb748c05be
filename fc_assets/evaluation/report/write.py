"""The files of the A/B/C report: pages, pictures, the table of judged rows, and every number as JSON.

How a page or a picture looks is `render` and `plots`. The gates read what `results` returns.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fc_assets.evaluation.report.model import ALL_ROWS, Report
from fc_assets.evaluation.report.origin import Origin
from fc_assets.evaluation.report.rows import browsable
from fc_assets.foundation.json_files import finite
from fc_assets.foundation.presentation.pages import packed
from fc_assets.names import FAILURES_PLOT, METRICS_PLOT, PREDICTIONS, REPORT_HTML, REPORT_MARKDOWN, RESULTS

_NOT_KEPT = ("tools", "cluster")  # large and the same in the data, by id


def results(report: Report) -> dict[str, Any]:
    """The report as JSON data: numbers that are not finite become null.

    `variants.<name>.<metric>` holds the plain values under the names of docs/metrics.md, `intervals` their bounds.
    `reward_weights` are those of `reward`: another report's are comparable only if these are the same.
    """
    found = {
        "variants": {
            variant: {
                **{name: estimate.value for name, estimate in report.metrics[variant].items()},
                "intervals": {name: [each.low, each.high] for name, each in report.metrics[variant].items()},
                "rows_counted": {name: each.rows for name, each in report.metrics[variant].items()},
                **asdict(report.counts[variant]),
            }
            for variant in report.variants
        },
        "gold": dict(report.gold),
        "comparisons": [asdict(test) for test in report.comparisons],
        "strata": {
            stratum: {
                variant: {name: asdict(estimate) for name, estimate in by_name.items()}
                for variant, by_name in by_variant.items()
            }
            for stratum, by_variant in report.strata.items()
            if stratum != ALL_ROWS
        },
        "failures": report.failures,
        "failure_occurrences": report.occurrences,
        "extra_tables": report.extra_tables,
        "reward_weights": dict(report.reward_weights),
        "bootstrap": {"samples": report.samples, "seed": report.seed, "clusters": report.clusters},
    }
    return {name: finite(value) for name, value in found.items()}


def write_report(report: Report, folder: Path, origin: Origin, records: Path | None = None) -> dict[str, Path]:
    """Write report.md, report.html (one self-contained file), results.json, predictions.parquet and the two plots.

    With `records`, the page in `folder` is the same whenever the report is, and a copy with date and machine goes into
    `records`; without, the page itself has both. The folders must exist. Returns the files in `folder` by name.
    """
    import pandas as pd

    from fc_assets.evaluation.report.plots import failures_plot, metrics_plot
    from fc_assets.evaluation.report.render import html, markdown

    pictures = {METRICS_PLOT: metrics_plot(report), FAILURES_PLOT: failures_plot(report)}
    for name, png in pictures.items():
        (folder / name).write_bytes(png)
    (folder / REPORT_MARKDOWN).write_text(markdown(report), encoding="utf-8")
    rows = packed(browsable(report))
    here = origin.measured_here()
    for place, facts in {folder: origin.page_facts(), records: here}.items() if records else ((folder, here),):
        (place / REPORT_HTML).write_text(html(report, pictures, facts, origin.demo, rows), encoding="utf-8")
    text = json.dumps(results(report), indent=2, ensure_ascii=False, allow_nan=False)
    (folder / RESULTS).write_text(text + "\n", encoding="utf-8")
    tables = [frame.drop(columns=list(_NOT_KEPT)).assign(variant=variant) for variant, frame in report.frames.items()]
    pd.concat(tables, ignore_index=True).to_parquet(folder / PREDICTIONS, index=False)
    return {name: folder / name for name in (REPORT_MARKDOWN, REPORT_HTML, RESULTS, PREDICTIONS, *pictures)}
