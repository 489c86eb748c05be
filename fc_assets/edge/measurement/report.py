"""What each GGUF file costs and how much quality it keeps: answers and measurements in, table rows and a picture out.

Files are compared on the same rows, F16 being the baseline. Loading and asking a file is `measure_file_job`.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.calls.judge import Judgement, judge
from fc_assets.edge.gguf_files import BASELINE, GgufFile, GgufType
from fc_assets.edge.jobs import FileMeasurement
from fc_assets.edge.measurement.quality import mean_divergence, paired_loss, top_agreement
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.presentation.figures import INK, new_figure, to_png


@dataclass(frozen=True)
class EdgeReportRow:
    """One file's row. Megabytes are 10^6 bytes; rates are shares of `rows`.

    `exact_low` and `exact_high` are the Wilson 95 % interval of `exact_match`. `same_as_baseline` is the share of
    answers that are F16's to the letter; `same_ids` and `same_prompts` are the shares of prompts that llama.cpp
    tokenises and renders as the checkpoint's tokenizer does.

    The fields from `loss` to `detectable` compare with F16 on the same rows, see `PairedLoss`. `kl` (nats, a lower
    bound) and `top_1_agreement` compare the next token at the same places of F16's answers, None where none was asked
    for. `constrained_exact_match` is that of the answers whose calls a grammar holds to their schemas.
    `prompt_tokens_per_second` counts a prompt's tokens by the time to the first token.
    """

    kind: GgufType
    mb: float
    bits_per_weight: float
    load_s: float
    peak_rss_mb: float
    first_token_p50_s: float
    first_token_p95_s: float
    prompt_tokens_per_second: float
    tokens_per_second: float
    rows: int
    parse_rate: float
    exact_match: float
    exact_low: float
    exact_high: float
    constrained_exact_match: float
    loss: float
    loss_at_most: float
    only_baseline: int
    only_this: int
    p_value: float
    detectable: float | None
    kl: float | None
    top_1_agreement: float | None
    same_as_baseline: float
    same_ids: float
    same_prompts: float

    def table_row(self) -> dict[str, object]:
        """This row for the page: rounded, times in milliseconds."""
        row = asdict(self)
        row["first_token_p50_ms"] = row.pop("first_token_p50_s") * 1e3
        row["first_token_p95_ms"] = row.pop("first_token_p95_s") * 1e3
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}


class EdgeReport(BaseModel):
    """What `edge_report` keeps: a row for each file, the turns left out as too long, and all answers by file type.

    `device` is what it was measured on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    device: str
    rows: list[EdgeReportRow]
    too_long: int
    asked: dict[GgufType, FileMeasurement]

    def answers_with_text(self) -> dict[str, int]:
        """For each file how many of its answers are not empty."""
        return {kind: sum(bool(answer.text) for answer in file.answers) for kind, file in self.asked.items()}

    def quantised(self) -> list[EdgeReportRow]:
        """The rows of the quantised files, which are compared with F16."""
        return [row for row in self.rows if row.kind != BASELINE]

    def baseline_exact(self) -> float:
        """The exact match of F16, as a share: all that a quantised file can lose."""
        return next(row.exact_match for row in self.rows if row.kind == BASELINE)

    def headline(self) -> dict[str, float]:
        """The figures that the page plots over time, four for each file."""
        return {
            f"{row.kind}_{name}": float(getattr(row, name))
            for row in self.rows
            for name in ("mb", "exact_match", "tokens_per_second", "first_token_p50_s")
        }


def compare_files(
    files: Sequence[GgufFile], measured: Mapping[GgufType, FileMeasurement], split: Path
) -> list[EdgeReportRow]:
    """One row for each file; `measured` has its answers by type, the ShareGPT file `split` the expected ones.

    Raises `FcAssetsError` when a file ends every answer at once, so that there is no speed to measure.
    """
    turns = {turn.id: turn for turn in read_turns(split)}
    return [_row(file, measured[file.kind], measured[BASELINE], turns) for file in files]


def _row(
    file: GgufFile, measured: FileMeasurement, baseline: FileMeasurement, turns: Mapping[str, Turn]
) -> EdgeReportRow:
    from fc_assets.evaluation.intervals import wilson

    answers = measured.answers
    verdicts = [_verdict(answer.text, turns[answer.id]) for answer in answers]
    exact = sum(verdict.exact for verdict in verdicts)
    interval = wilson(exact, len(verdicts))
    decoded = sum(max(0, answer.output_tokens - 1) for answer in answers)
    if interval is None or not decoded:
        raise FcAssetsError(f"{file.file} gave no answer longer than one token; look at the checkpoint it is made from")
    first = [answer.first_token_s for answer in answers]
    texts = {answer.id: answer.text for answer in baseline.answers}
    paired = paired_loss(
        [_verdict(texts[answer.id], turns[answer.id]).exact for answer in answers],
        [verdict.exact for verdict in verdicts],
    )
    return EdgeReportRow(
        kind=file.kind,
        mb=file.bytes / 1e6,
        bits_per_weight=file.bits_per_weight,
        load_s=measured.load_s,
        peak_rss_mb=measured.peak_rss_mb,
        first_token_p50_s=statistics.median(first),
        first_token_p95_s=_p95(first),
        prompt_tokens_per_second=sum(answer.prompt_tokens for answer in answers) / sum(first),
        tokens_per_second=decoded / sum(answer.seconds - answer.first_token_s for answer in answers),
        rows=len(answers),
        parse_rate=statistics.fmean(verdict.parse_ok for verdict in verdicts),
        exact_match=exact / len(verdicts),
        exact_low=interval.low,
        exact_high=interval.high,
        constrained_exact_match=statistics.fmean(
            _verdict(answer.constrained, turns[answer.id]).exact for answer in answers
        ),
        loss=paired.loss,
        loss_at_most=paired.at_most,
        only_baseline=paired.only_baseline,
        only_this=paired.only_this,
        p_value=paired.p_value,
        detectable=paired.detectable,
        kl=mean_divergence(baseline.next_tokens, measured.next_tokens),
        top_1_agreement=top_agreement(baseline.next_tokens, measured.next_tokens),
        same_as_baseline=statistics.fmean(answer.text == texts[answer.id] for answer in answers),
        same_ids=statistics.fmean(answer.same_ids for answer in answers),
        same_prompts=statistics.fmean(answer.same_prompt for answer in answers),
    )


def _verdict(text: str, turn: Turn) -> Judgement:
    return judge(text, turn.tools, turn.calls)


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def draw(rows: Sequence[EdgeReportRow]) -> bytes:
    """A PNG: exact match with its interval over file size, and the latency of the first token."""
    figure, (quality, latency) = new_figure(9.6, 3.6, columns=2)
    for row in rows:
        interval = [[row.exact_match - row.exact_low], [row.exact_high - row.exact_match]]
        quality.errorbar(row.mb, row.exact_match, yerr=interval, fmt="o", capsize=4)
        quality.plot(row.mb, row.constrained_exact_match, "_", markersize=14, color=INK)
        quality.annotate(row.kind, (row.mb, row.exact_match), xytext=(6, 6), textcoords="offset points")
    quality.set(xlabel="file size, MB", ylabel=f"exact match, {rows[0].rows} rows", ylim=(-0.02, 1.02))
    quality.plot([], [], "_", color=INK, label="with a grammar")
    quality.legend(loc="lower right", frameon=False)
    quality.set_xlim(0, max(row.mb for row in rows) * 1.2)
    medians = [row.first_token_p50_s * 1e3 for row in rows]
    up_to_p95 = [(row.first_token_p95_s - row.first_token_p50_s) * 1e3 for row in rows]
    latency.bar([row.kind for row in rows], medians, yerr=[[0.0] * len(rows), up_to_p95], capsize=4, width=0.5)
    latency.set(ylabel="first token, ms (median, to P95)")
    latency.grid(axis="x", visible=False)
    latency.set_axisbelow(True)
    return to_png(figure)
