"""What each kind of cell sends, and how its answers are judged.

Requests are made in `load`; which cells there are is in `cells`, measuring one in `cell_measurement`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path

from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.load_test.load.call_validity import call_validator, session_validator
from fc_assets.load_test.load.client import Client, Request
from fc_assets.load_test.load.generator import Load, LoadResult, MakeRequest, Sample, drive, drive_sessions
from fc_assets.load_test.load.request_statistics import CallValidator
from fc_assets.load_test.load.sessions import Conversations, SessionPlan, read_conversations
from fc_assets.load_test.load.workload import cancelling, conversations, token_prompts
from fc_assets.load_test.matrix.cells import MatrixCell
from fc_assets.profiles import BenchmarkSettings


@dataclass(frozen=True, slots=True)
class Questions:
    """The conversations that a matrix may ask: single questions that expect a call, and whole ones for sessions."""

    turns: Sequence[Turn] = ()
    conversations: Conversations | None = None


NO_QUESTIONS = Questions()


def read_questions(split: Path, settings: BenchmarkSettings, max_model_len: int | None) -> Questions:
    """The questions in a file of ShareGPT rows, a JSON array; whole conversations for the full matrix only.

    Raises `FcAssetsError` when the file cannot be read.
    """
    turns = [turn for turn in read_turns(split) if turn.calls]
    full = settings.mode == "full"
    return Questions(turns, read_conversations(split, max_model_len, settings.tool_call_tokens) if full else None)


@dataclass(frozen=True, slots=True)
class Workload:
    """What a cell sends: `drive` puts it on a server.

    Where the answers are tool calls, `is_valid_call` judges them, and `again` makes the request of a sample once more.
    """

    drive: Callable[[Client, Load], Coroutine[None, None, LoadResult]]
    is_valid_call: CallValidator | None = None
    again: Callable[[Sample], Request] | None = None


def workload(cell: MatrixCell, model: str, settings: BenchmarkSettings, questions: Questions) -> Workload:
    """The cell's load, with prompts that the server has not seen where they are made up here."""
    if cell.context_length:
        return _single(_token_prompts(cell, model, settings))
    if cell.kind == "sessions" and questions.conversations:
        return _sessions(_plan(cell, model, settings, questions.conversations))
    turns, constrained = questions.turns, cell.kind == "tools-constrained"
    # Each level asks other questions first: its prompts are not in the prefix cache since the level before.
    first = cell.concurrency * settings.requests_per_cell % len(turns)
    turns = [*turns[first:], *turns[:first]]
    make = conversations(model, turns, settings.tool_call_tokens, constrained=constrained)
    return _single(make, call_validator(turns), lambda sample: make(sample.index))


def _token_prompts(cell: MatrixCell, model: str, settings: BenchmarkSettings) -> MakeRequest:
    seed = secrets.randbits(32)
    make = token_prompts(model, cell.context_length, cell.answer_lengths(settings), seed)
    if cell.kind != "cancelled":
        return make
    return cancelling(make, settings.cancel_share, settings.output_tokens, settings.cancel_after_s, settings.seed)


def _plan(cell: MatrixCell, model: str, settings: BenchmarkSettings, found: Conversations) -> SessionPlan:
    return SessionPlan(
        model,
        found,
        max_tokens=settings.tool_call_tokens,
        tool_wait_s=settings.tool_wait_s,
        reuse=cell.reuse,
        seed=settings.seed,
        mark=secrets.token_hex(4),
    )


def _single(
    make: MakeRequest,
    is_valid_call: CallValidator | None = None,
    again: Callable[[Sample], Request] | None = None,
) -> Workload:
    return Workload(lambda client, load: drive(client, load, make), is_valid_call, again)


def _sessions(plan: SessionPlan) -> Workload:
    def again(sample: Sample) -> Request:
        return plan.request(sample.session or 0, sample.turn or 0)

    return Workload(lambda client, load: drive_sessions(client, load, plan), session_validator(plan), again)
