"""The model card of a release: README.md in the form that the Hugging Face hub reads. No decision is made here.

The text is `templates/model_card.md.j2`; the front matter is written by `huggingface_hub`, which also reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.foundation.presentation.templates import render_template
from fc_assets.foundation.thresholds import Threshold
from fc_assets.names import BASE, GRPO, GRPO_POLICY, LORA_ADAPTER, SFT, SHAREGPT_VAL, SHIPPED_VARIANT
from fc_assets.release.model_info import ModelInfo
from fc_assets.release.record import BarRecord, GateRecord, ReleaseRecord
from fc_assets.release.upstream import Licence, Measure

CARD_LABELS = {BASE: "A: base", SFT: "B: SFT", GRPO: "C: SFT + GRPO"}
"""How the card calls the variants, in the order of its columns."""

_TEMPLATE = Path(__file__).parent / "templates" / "model_card.md.j2"
_HUB_LICENCES = {"MIT": "mit", "Apache-2.0": "apache-2.0"}
"""The hub's identifiers of licences; one that is not here is `other`."""


@dataclass(frozen=True)
class CardTable:
    """A table of the card: its columns and its rows, every cell as Markdown text."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def model_card(record: ReleaseRecord, info: ModelInfo) -> str:
    """The card's text, from the release's record and the description of its model."""
    return render_template(
        _TEMPLATE,
        front_matter=_front_matter(record),
        record=record,
        info=info,
        results=_results(record.metrics),
        further={title: _as_table(rows) for title, rows in record.further_tables.items() if rows},
        training=_training(record),
        gates=_gates(record.gates),
        measured_rows=max((measure.rows for measure in record.metrics), default=0),
    )


def _front_matter(record: ReleaseRecord) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    fields: dict[str, Any] = dict(
        library_name="transformers",
        pipeline_tag="text-generation",
        license=_HUB_LICENCES.get(_weights_licence(record.licences), "other"),
        base_model=record.base.name,
        datasets=[each.what for each in record.licences if each.rows],
        tags=["function-calling", "tool-use", "trl", SFT, GRPO, "lora"],
    )
    data = ModelCardData(
        **fields,
        model_name=f"function caller from {record.base.name}",
        eval_results=[
            EvalResult(
                task_type="text-generation",
                task_name="function calling",
                dataset_type=SHAREGPT_VAL,
                dataset_name="held-out validation split",
                metric_type=measure.metric,
                metric_name=measure.metric,
                metric_value=round(measure.value, 4),
            )
            for measure in record.metrics
            if measure.variant == SHIPPED_VARIANT
        ],
    )
    return str(data.to_yaml(original_order=list(fields)))


def _weights_licence(licences: Sequence[Licence]) -> str:
    return next((each.licence for each in licences if each.rows == 0), "")


def _results(measures: Sequence[Measure]) -> CardTable:
    """A row for each metric, a column for each variant that was measured."""
    by_cell = {(measure.metric, measure.variant): measure for measure in measures}
    variants = [variant for variant in CARD_LABELS if any(measure.variant == variant for measure in measures)]
    metrics = dict.fromkeys(measure.metric for measure in measures)
    return CardTable(
        columns=["metric", *(CARD_LABELS[variant] for variant in variants)],
        rows=[[metric, *(_interval(by_cell.get((metric, variant))) for variant in variants)] for metric in metrics],
    )


def _gates(gates: Sequence[GateRecord]) -> CardTable:
    return CardTable(
        columns=["gate", "judged", "result", "bar"],
        rows=[
            [
                f"{gate.asset}:{gate.check}",
                f"`{gate.judged_digest[:16]}`",
                "passed" if gate.met else f"unmet: {gate.unmet_because}",
                _bar(gate.bar) if gate.bar else "",
            ]
            for gate in gates
        ],
    )


def _bar(bar: BarRecord) -> str:
    """The bar that was used, and the location's where that is another one."""
    used, asked = (Threshold(bar.setting, bar.kind, value) for value in (bar.threshold, bar.asked))
    return f"{bar.setting} {used}" + (f" (the location: {asked})" if used != asked else "")


def _training(record: ReleaseRecord) -> CardTable:
    """The chief settings of both trainings, as the adapter and the policy record them."""
    sft, grpo = record.settings[LORA_ADAPTER]["sft"], record.settings[GRPO_POLICY]["grpo"]
    length = f"{sft['epochs']:g} epochs" + (f", at most {sft['max_steps']} steps" if sft["max_steps"] > 0 else "")
    return CardTable(
        columns=["setting", "SFT", "GRPO"],
        rows=[
            ["length", length, f"{grpo['steps']} steps"],
            ["learning rate", f"{sft['learning_rate']:g}", f"{grpo['learning_rate']:g}"],
            ["LoRA rank", str(sft["lora"]["rank"]), str(grpo["lora"]["rank"])],
            [
                "batch",
                f"{sft['rows_per_step']} rows",
                f"{grpo['prompts_per_step']} prompts with {grpo['generations']} completions each",
            ],
        ],
    )


def _as_table(rows: Sequence[Mapping[str, object]]) -> CardTable:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return CardTable(columns, [list(_cells(row, columns)) for row in rows])


def _cells(row: Mapping[str, object], columns: Sequence[str]) -> Iterator[str]:
    for name in columns:
        value = row.get(name)
        if value is None:
            yield ""
        else:
            yield f"{value:.3f}" if isinstance(value, float) else str(value).replace("|", "\\|")


def _interval(measure: Measure | None) -> str:
    if measure is None:
        return ""
    if measure.low is None or measure.high is None:
        return f"{measure.value:.3f}"
    return f"{measure.value:.3f} [{measure.low:.3f}, {measure.high:.3f}]"
