"""Whether the answer to a tool-call conversation is a call that could be run.

What the requests are is in `workload` and `sessions`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from fc_assets.calls.call import Call
from fc_assets.calls.conversations import Turn
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.load_test.load.client import Reply
from fc_assets.load_test.load.generator import Sample
from fc_assets.load_test.load.request_statistics import CallValidator
from fc_assets.load_test.load.sessions import SessionPlan


def call_validator(turns: Sequence[Turn]) -> CallValidator:
    """For the answers to `workload.conversations(turns)`: at least one call, and each satisfies its tool's schema."""
    return lambda sample, reply: _is_valid(turns[sample.index % len(turns)], reply)


def session_validator(plan: SessionPlan) -> CallValidator:
    """The same for the answers in sessions; None where words are expected."""

    def is_valid(sample: Sample, reply: Reply) -> bool | None:
        turn = plan.turn(sample.session or 0, sample.turn or 0)
        return _is_valid(turn, reply) if turn.calls else None

    return is_valid


def _is_valid(turn: Turn, reply: Reply) -> bool:
    tools = compile_tools(turn.tools)
    calls = [_call(each["name"], each["arguments"]) for each in reply.tool_calls]
    return bool(calls) and all(call is not None and tools.validates(call) for call in calls)


def _call(name: str, arguments: str) -> Call | None:
    try:
        parsed = json.loads(arguments)
    except ValueError:
        return None
    return Call(name, parsed) if isinstance(parsed, dict) else None
