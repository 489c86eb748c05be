"""What the schema says of a call that a policy wrote, and why it is not executed where it is not.

Executing it is `loop`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from fc_assets.calls.call import Call, Tool
from fc_assets.calls.tools.toolset import ToolSet, compile_tools


class CallVerdict(StrEnum):
    """What became of a call before it reached a server."""

    VALID = "valid"
    NOT_OFFERED = "the function is not offered"
    BREAKS_SCHEMA = "the arguments break the schema"
    DECLINED = "a destructive call was not confirmed"


def verdict_on(call: Call, tools: ToolSet) -> CallVerdict:
    """Whether the call names an offered tool and its arguments satisfy the schema."""
    if call.name not in tools:
        return CallVerdict.NOT_OFFERED
    return CallVerdict.VALID if tools.validates(call) else CallVerdict.BREAKS_SCHEMA


def verdicts_on(calls: Sequence[Call], tools: Sequence[Tool]) -> list[CallVerdict]:
    """The verdict on each call. Raises `FcAssetsError` if a tool is malformed."""
    compiled = compile_tools(list(tools))
    return [verdict_on(call, compiled) for call in calls]
