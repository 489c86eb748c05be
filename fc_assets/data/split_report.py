"""What a split records of itself beside its rows: its artefact's report, which the gates read back.

Tables for people are in `page_tables`; what the gates measure on the rows themselves is in `data_quality`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from fc_assets.data.curation.curate import CurationReport
from fc_assets.data.jobs import LongTurn, SplitTokens
from fc_assets.data.splits import SplitSummary


class CurationCounts(BaseModel):
    """What curation did to both splits together, in rows."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    read: int
    dropped: dict[str, int]
    """By reason."""
    gold_causes: dict[str, int]
    """Rows whose expected calls did not earn all four rewards, by cause."""
    coerced: int
    made_irrelevant: int
    bfcl_questions: int
    """How many questions the rows were compared with."""


class SplitReport(BaseModel):
    """The report of a split. All numbers count rows unless their name says otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    rows: int
    calls_per_row: dict[int, int]
    tools_per_row: dict[int, int]
    by_source: dict[str, int]
    by_flag: dict[str, int]
    tools_seen: int
    masked: int
    curation: CurationCounts
    seed: int
    turns: int
    longest_turns: tuple[LongTurn, ...]
    """The longest first; what is too long is for a check to say."""


def split_report(summary: SplitSummary, curation: CurationReport, tokens: SplitTokens, seed: int) -> SplitReport:
    """The report of the split that `summary` and `tokens` are about."""
    return SplitReport(
        **vars(summary),
        curation=CurationCounts(
            read=curation.read,
            dropped=curation.dropped_by_reason,
            gold_causes=curation.gold_causes,
            coerced=curation.coerced,
            made_irrelevant=curation.made_irrelevant,
            bfcl_questions=curation.bfcl_questions,
        ),
        seed=seed,
        turns=tokens.turns,
        longest_turns=tokens.longest,
    )
