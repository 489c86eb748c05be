"""What each GGUF file costs and how much quality it keeps: answers and measurements in, table rows and a picture out.

Files are compared on the same rows, F16 being the baseline. Loading and asking is `ask`'s work.
"""

from __future__ import annotations

import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import read_turns
from fc_assets.calls.judge import judge
from fc_assets.edge.conversion.files import BASELINE, GgufFile
from fc_assets.errors import FcAssetsError

Asked = Mapping[str, Any]
"""An `ask.Asked` record as its process wrote it."""


@dataclass(frozen=True)
class FileResult:
    """One file's row. Megabytes are 10^6 bytes; rates are shares of `rows`.

    `exact_low` and `exact_high` are the Wilson 95 % interval of `exact_match`. `same_as_baseline` is the share of
    answers that are F16's to the letter; `same_ids` and `same_prompts` are the shares of prompts that llama.cpp
    tokenises and renders as the checkpoint's tokenizer does.
    """

    kind: str
    mb: float
    bits_per_weight: float
    load_s: float
    peak_rss_mb: float
    first_token_p50_s: float
    first_token_p95_s: float
    tokens_per_second: float
    rows: int
    parse_rate: float
    exact_match: float
    exact_low: float
    exact_high: float
    same_as_baseline: float
    same_ids: float
    same_prompts: float


def results(files: Sequence[GgufFile], asked: Mapping[str, Asked], split: Path) -> list[FileResult]:
    """One row for each file; `asked` has its answers by kind, `split` the expected ones.

    Raises `FcAssetsError` when a file ends every answer at once, so that there is no speed to measure.
    """
    baseline = {answer["id"]: answer["text"] for answer in asked[BASELINE]["answers"]}
    turns = {turn.id: turn for turn in read_turns(split)}
    return [_result(file, asked[file.kind], turns, baseline) for file in files]


def _result(file: GgufFile, asked: Asked, turns: Mapping[str, Any], baseline: Mapping[str, str]) -> FileResult:
    from fc_assets.evaluation.intervals import wilson

    answers = asked["answers"]
    verdicts = [judge(answer["text"], turns[answer["id"]].tools, turns[answer["id"]].calls) for answer in answers]
    exact = sum(verdict.exact for verdict in verdicts)
    interval = wilson(exact, len(verdicts))
    first = [answer["first_token_s"] for answer in answers]
    decoded = sum(max(0, answer["output_tokens"] - 1) for answer in answers)
    if not decoded:
        raise FcAssetsError(f"{file.file} gave no answer longer than one token; look at the checkpoint it is made from")
    decoding_s = sum(answer["seconds"] - answer["first_token_s"] for answer in answers)
    return FileResult(
        kind=file.kind,
        mb=file.bytes / 1e6,
        bits_per_weight=file.bits_per_weight,
        load_s=asked["load_s"],
        peak_rss_mb=asked["peak_rss_mb"],
        first_token_p50_s=statistics.median(first),
        first_token_p95_s=_p95(first),
        tokens_per_second=decoded / decoding_s,
        rows=len(answers),
        parse_rate=sum(verdict.parse_ok for verdict in verdicts) / len(verdicts),
        exact_match=exact / len(verdicts),
        exact_low=interval.low,
        exact_high=interval.high,
        same_as_baseline=_share(answer["text"] == baseline[answer["id"]] for answer in answers),
        same_ids=_share(answer["same_ids"] for answer in answers),
        same_prompts=_share(answer["same_prompt"] for answer in answers),
    )


def _share(flags: Any) -> float:
    values = list(flags)
    return sum(values) / len(values)


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def table_row(result: FileResult) -> dict[str, object]:
    """A result as a row for the page: rounded, times in milliseconds."""
    row = asdict(result)
    row["first_token_p50_ms"] = row.pop("first_token_p50_s") * 1e3
    row["first_token_p95_ms"] = row.pop("first_token_p95_s") * 1e3
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}


def headline(rows: Sequence[FileResult]) -> dict[str, float]:
    """The figures that the page plots over time, four for each file."""
    return {
        f"{row.kind}_{name}": float(getattr(row, name))
        for row in rows
        for name in ("mb", "exact_match", "tokens_per_second", "first_token_p50_s")
    }


def largest_drop(rows: Sequence[Mapping[str, Any]]) -> float:
    """The most exact match that a quantised file loses against F16, as a share; negative when all of them gain.

    Takes `FileResult` records as they stand in the report.
    """
    exact = {row["kind"]: row["exact_match"] for row in rows}
    return max(exact[BASELINE] - value for kind, value in exact.items() if kind != BASELINE)


def picture_of(rows: Sequence[FileResult]) -> bytes:
    """A PNG: exact match with its interval over file size, and the latency of the first token."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.6), dpi=110, layout="constrained")
    quality, latency = figure.subplots(1, 2)
    for row in rows:
        below, above = row.exact_match - row.exact_low, row.exact_high - row.exact_match
        quality.errorbar(row.mb, row.exact_match, yerr=[[below], [above]], fmt="o", capsize=4)
        quality.annotate(row.kind, (row.mb, row.exact_match), xytext=(6, 6), textcoords="offset points")
    quality.set(xlabel="file size, MB", ylabel=f"exact match, {rows[0].rows} rows", ylim=(-0.02, 1.02))
    quality.set_xlim(0, max(row.mb for row in rows) * 1.2)
    names = [row.kind for row in rows]
    medians = [row.first_token_p50_s * 1e3 for row in rows]
    above = [(row.first_token_p95_s - row.first_token_p50_s) * 1e3 for row in rows]
    latency.bar(names, medians, yerr=[[0] * len(rows), above], capsize=4, width=0.5)
    latency.set(ylabel="first token, ms (median, to P95)")
    for axes in (quality, latency):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
