"""Whether the answer to a tool-call conversation is a call that could be run.

What the requests are is in `workload`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from fc_assets.calls.call import Call
from fc_assets.calls.conversations import Turn
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.load_test.load.client import Reply
from fc_assets.load_test.load.request_statistics import CallValidator


def call_validator(turns: Sequence[Turn]) -> CallValidator:
    """For the answers to `workload.conversations(turns)`: at least one call, and each satisfies its tool's schema."""

    def is_valid(index: int, reply: Reply) -> bool:
        tools = compile_tools(turns[index % len(turns)].tools)
        calls = [_call(each["name"], each["arguments"]) for each in reply.tool_calls]
        return bool(calls) and all(call is not None and tools.validates(call) for call in calls)

    return is_valid


def _call(name: str, arguments: str) -> Call | None:
    try:
        parsed = json.loads(arguments)
    except ValueError:
        return None
    return Call(name, parsed) if isinstance(parsed, dict) else None
