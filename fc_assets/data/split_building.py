"""From the raw table to both splits: the work of `sharegpt_splits`, curation first.

What is chosen is decided in `curation`, which row goes where in `splits`; here they are put together as the settings
say. Counting tokens takes a process of its own: its job is made here and run by the asset.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fc_assets.data.curation.bfcl_questions import installed_questions
from fc_assets.data.curation.curate import CurationReport, curate
from fc_assets.data.curation.irrelevance import IrrelevanceMaker, missing_rate
from fc_assets.data.curation.masking import masker
from fc_assets.data.jobs import SplitToMeasure, TokenLengthsJob
from fc_assets.data.raw_table import read_summary
from fc_assets.data.rows.examples_file import read_examples
from fc_assets.data.splits import SplitSummary, build_splits
from fc_assets.names import DROPPED, EXAMPLES, SHAREGPT_TRAIN, SHAREGPT_VAL, split_file
from fc_assets.profiles import DataSettings, Profile


@dataclass(frozen=True)
class BuiltSplits:
    """Both splits as they were written: where their rows are and what they hold, by name, and how they were curated."""

    files: dict[str, Path]
    summaries: dict[str, SplitSummary]
    curation: CurationReport

    def token_lengths_job(self, profile: Profile) -> TokenLengthsJob:
        """The job that counts the tokens of the rows with the profile's tokenizer."""
        return TokenLengthsJob(
            base_model=profile.base_model,
            splits={
                name: SplitToMeasure(file=file, rows=self.summaries[name].rows) for name, file in self.files.items()
            },
        )


def questions_to_avoid(profile: Profile) -> list[str] | None:
    """BFCL's questions, if the profile wants rows compared with them; None if bfcl-eval is not installed."""
    if profile.data.curation.bfcl == "keep":
        return []
    return installed_questions(profile.bfcl.python)


def build_curated_splits(
    raw_table: Path, train: Path, validation: Path, scratch: Path, settings: DataSettings, bfcl_questions: Sequence[str]
) -> BuiltSplits:
    """Curate the raw table in the folder `raw_table` and write both splits into the folders `train` and `validation`.

    What curation drops is listed beside the training split. Raises `FcAssetsError` when a split would be empty.
    """
    report, raw = CurationReport(), read_summary(raw_table)
    rate = missing_rate(settings.irrelevance_share, raw.rows, raw.no_call)
    curated = curate(
        read_examples(raw_table / EXAMPLES),
        settings.curation,
        report,
        bfcl_questions=bfcl_questions,
        irrelevance=IrrelevanceMaker(rate, settings.seed),
    )
    summaries = build_splits(
        curated,
        (train, validation),
        scratch,
        validation_share=settings.validation_share,
        seed=settings.seed,
        training_form=masker(settings.curation.masked_share, settings.seed),
    )
    _write_dropped(report, train / DROPPED)
    return BuiltSplits(
        files={
            SHAREGPT_TRAIN: train / split_file(SHAREGPT_TRAIN),
            SHAREGPT_VAL: validation / split_file(SHAREGPT_VAL),
        },
        summaries=dict(zip((SHAREGPT_TRAIN, SHAREGPT_VAL), summaries, strict=True)),
        curation=report,
    )


def _write_dropped(report: CurationReport, file: Path) -> None:
    lines = (json.dumps({"id": row, "reason": reason}) + "\n" for row, reason in report.dropped)
    file.write_text("".join(lines), encoding="utf-8")
