"""What the leaderboard published about other small models, beside our own scores.

The numbers are `published.csv`, with their source and date; nothing here computes one but ST3, which the leaderboard
does not show. How our scores arise is `scores` and `summaries`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from fc_assets.evaluation.bfcl.model import OFFICIAL, BfclReport
from fc_assets.evaluation.bfcl.summaries import PARTS, is_measured

TITLE = "The leaderboard's own numbers for small models"
TEXT = (
    "Published by the Berkeley Function Calling Leaderboard (V4) on 2025-12-16 at gorilla.cs.berkeley.edu: "
    "data_overall.csv, data_live.csv, data_non_live.csv. They were measured with the official prompt, thinking on and "
    "4,096 tokens, so only scores of prompt mode `official` stand beside them, and only where every category was asked "
    "at least 50 rows, or all that it has. ST3 is computed from the three means before it."
)
DATE = "2025-12-16"

_FILE = Path(__file__).with_name("published.csv")
_SUMMARY = "summary_"


def published() -> dict[str, dict[str, float]]:
    """Accuracies in [0, 1] by model, and by category or, behind `summary_`, by summary."""
    lines = [line for line in _FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    found = {}
    for row in csv.DictReader(lines):
        model = row.pop("model")
        values = {name: round(float(percent) / 100, 4) for name, percent in row.items()}
        st3 = sum(values[f"{_SUMMARY}{name}"] for name in ("non_live", "live", "irrelevance")) / 3
        found[model] = {**values, f"{_SUMMARY}st3": st3}
    return found


def beside(reports: Mapping[str, BfclReport]) -> list[dict[str, object]]:
    """Our variants by label, then the published models: one record each, with the summaries as columns.

    Empty where no variant was measured as the leaderboard measures.
    """
    ours: list[dict[str, object]] = [
        {"model": label, "source": "this run", **values} for label, values in _measured(reports)
    ]
    if not ours:
        return []
    names = {f"{_SUMMARY}{name}": name for name in PARTS}
    theirs: list[dict[str, object]] = [
        {"model": model, "source": f"leaderboard, {DATE}", **{name: values[key] for key, name in names.items()}}
        for model, values in published().items()
    ]
    return [*ours, *theirs]


def _measured(reports: Mapping[str, BfclReport]) -> Iterator[tuple[str, dict[str, float | None]]]:
    for label, report in reports.items():
        mode = report.modes.get(OFFICIAL)
        if mode is None:
            continue
        values = {name: mode.headline.get(name) if is_measured(mode, name, report.sizes) else None for name in PARTS}
        if any(value is not None for value in values.values()):
            yield label, values
