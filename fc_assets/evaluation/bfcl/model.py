"""What BFCL is asked and what comes out, as plain values.

Sampling and judging are `scores`, how it looks is `tables`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict


@dataclass(frozen=True, slots=True)
class BfclRow:
    """One sampled question. `possible_answers` is BFCL's gold, None for (ir)relevance rows; `prompt` is the official
    handler's, empty where no mode wants it."""

    id: str
    category: str
    messages: Sequence[Mapping[str, Any]]
    functions: Sequence[Mapping[str, Any]]
    possible_answers: Sequence[Mapping[str, Any]] | None
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class BfclSample:
    """The sampled rows, how many rows each category has in all, and bfcl-eval's version."""

    rows: tuple[BfclRow, ...]
    sizes: Mapping[str, int]
    version: str


@dataclass(frozen=True, slots=True)
class CategoryScore:
    """The official verdict on one category, with a Wilson 95 % interval, and what `parse_strict` saw beside it.

    `parse_fail_share`: rows with a malformed block, or with no call where one is expected. The official checker counts
    a malformed block as silence, so on irrelevance a broken model scores well: read the two numbers together.
    """

    category: str
    accuracy: float
    low: float
    high: float
    correct: int
    total: int
    parse_fail_share: float
    too_long: int


@dataclass(frozen=True, slots=True)
class ModeScores:
    """One prompt mode judged: a score for each category, a record for each row, and how many rows had no answer."""

    scores: Sequence[CategoryScore]
    records: Sequence[Mapping[str, object]]
    failed: int


class ModeSummary(BaseModel):
    """One prompt mode in the report: the leaderboard's summaries, the share of rows that parse, and the categories."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    headline: dict[str, float | None]
    parse_share: float | None
    failed: int
    too_long: int
    categories: tuple[CategoryScore, ...]


class BfclReport(BaseModel):
    """The report of one variant: bfcl-eval's version, rows sampled, rows of each category in all, scores by mode."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    bfcl_eval: str
    sampled: int
    sizes: dict[str, int]
    modes: dict[str, ModeSummary]
