"""What BFCL is asked and what comes out, as plain values.

Sampling and judging are `scores`, conversations `conversations`, how it looks `tables`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

SIMPLE = ("simple_python", "simple_java", "simple_javascript")
NON_LIVE = (*SIMPLE, "multiple", "parallel", "parallel_multiple")
LIVE = ("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple")
IRRELEVANCE = ("irrelevance", "live_irrelevance")
RELEVANCE = "live_relevance"
MULTI_TURN = ("multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context")
MEMORY = ("memory_kv", "memory_rec_sum")
CONVERSATIONS = frozenset((*MULTI_TURN, *MEMORY))
"""Categories that are played turn by turn against the official tools."""

OFFICIAL = "official"
"""The prompt mode of the leaderboard: its own text, completed without a chat template of ours."""


@dataclass(frozen=True, slots=True)
class BfclRow:
    """One sampled question. `possible_answers` is BFCL's gold, None for (ir)relevance rows; `prompt` is the official
    handler's, empty where no mode wants it.

    A conversation has neither messages nor prompt, which depend on what is answered, but a number of turns. Its gold is
    a list of calls as Python source for each turn, and texts of which the last answer holds one in a memory category.
    """

    id: str
    category: str
    messages: Sequence[Mapping[str, Any]]
    functions: Sequence[Mapping[str, Any]]
    possible_answers: Sequence[Any] | None
    prompt: str = ""
    turns: int = 1

    @property
    def is_conversation(self) -> bool:
        """Whether it is played turn by turn."""
        return self.category in CONVERSATIONS

    @property
    def wants_silence(self) -> bool:
        """Whether the right answer is no call."""
        return self.category in IRRELEVANCE

    @property
    def wants_call(self) -> bool:
        """Whether no answer without a call is right; what a memory holds may stand in the prompt already."""
        return not self.wants_silence and self.category not in MEMORY


@dataclass(frozen=True, slots=True)
class BfclSample:
    """The sampled rows, how many rows each category has in all, and bfcl-eval's version."""

    rows: tuple[BfclRow, ...]
    sizes: Mapping[str, int]
    version: str


@dataclass(frozen=True, slots=True)
class BfclAttempt:
    """What a model made of one row.

    `result` is what the official checker is shown: the text, or for a conversation a list of texts for each turn, or
    the sentence with which the official loop ended it. `text` is what the model wrote. `finish_reason` is that of
    `Answer`; a conversation has that of the answer that ended it before its time. `malformed` and `calls` count what
    `parse_strict` saw.
    """

    row: BfclRow
    result: str | Sequence[Sequence[str]]
    text: str
    finish_reason: str
    malformed: int
    calls: int


@dataclass(frozen=True, slots=True)
class CategoryScore:
    """The official verdict on one category, with a Wilson 95 % interval, and what `parse_strict` saw beside it.

    `parse_fail_share`: rows with a malformed block, or with no call where one is expected. The official checker counts
    a malformed block as silence, so on irrelevance a broken model scores well: read the two numbers together.
    `too_long` prompts did not fit the model and `cut` answers reached the limit of tokens; both are among the `total`.
    `failed` rows have no answer for reasons of the infrastructure and are not.
    """

    category: str
    accuracy: float
    low: float
    high: float
    correct: int
    total: int
    parse_fail_share: float
    too_long: int
    cut: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class ModeScores:
    """One prompt mode judged: a score for each category, a record for each row, and how many rows had no answer."""

    scores: Sequence[CategoryScore]
    records: Sequence[Mapping[str, object]]
    failed: int


class ModeSummary(BaseModel):
    """One prompt mode in the report: the leaderboard's summaries, the share of rows that parse, and the categories.

    `max_tokens` is the most that an answer might have.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    headline: dict[str, float | None]
    parse_share: float | None
    failed: int
    too_long: int
    categories: tuple[CategoryScore, ...]
    cut: int = 0
    max_tokens: int = 0


class BfclReport(BaseModel):
    """The report of one variant: bfcl-eval's version, rows sampled, rows of each category in all, scores by mode.

    `not_run` says of each category of the installed leaderboard that was not asked why; `self_test` counts the oracle
    answers that the checker judged before these scores; `max_failed_share` is the share of rows that may have stayed
    without an answer.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    bfcl_eval: str
    sampled: int
    sizes: dict[str, int]
    modes: dict[str, ModeSummary]
    not_run: dict[str, str] = {}
    self_test: int = 0
    max_failed_share: float = 0.0
