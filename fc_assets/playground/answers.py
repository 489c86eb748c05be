"""What to show of an answer: its calls as parsed, the verdict on them, and what each call returned.

The rules are those of the evaluation; here they are applied to one answer. Getting an answer is `engines`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fc_assets.calls.call import Call
from fc_assets.calls.judge import judge
from fc_assets.calls.tools.execution import run_call
from fc_assets.calls.tools.stubs import StubError
from fc_assets.calls.tools.toolset import ToolSet
from fc_assets.calls.world.state import Result, Start, World
from fc_assets.evaluation.answers import judged_text
from fc_assets.playground.engines import Written

WORLD, STUB, NOWHERE = "world", "stub", "nowhere"
"""Where a call ran: in a world, where it does something; in its stub, which checks and echoes; it names no tool."""


def shown(written: Written, tools: str, expected: Sequence[Call] | None) -> dict[str, Any]:
    """The answer as JSON data; `tools` is the JSON list that was offered.

    `verdicts` are by name, such as "schema": True, False, or None where there is nothing to say. Where nobody knows
    what is `expected`, an answer without a call is neither right nor wrong. All calls run in one fresh world.
    """
    text = judged_text(written.text, written.finish_reason)
    judgement = judge(text, tools, expected or ())
    calls, offered = judgement.parsed.calls, judgement.tools
    world = World(Start())
    verdicts: dict[str, bool | None] = {
        "parses": (judgement.parse_ok if expected is not None else not judgement.parsed.malformed),
        "names": all(call.name in offered for call in calls) if calls else None,
        "schema": all(map(offered.validates, calls)) if calls else None,
        "runs": all(judgement.executed) if calls else None,
    }
    if expected is not None:
        verdicts |= {"names": judgement.names_ok, "exact": judgement.exact}
    return {
        "text": written.text,
        "ended": written.finish_reason,
        "malformed": judgement.parsed.malformed,
        "verdicts": verdicts,
        "calls": [_ran(call, offered, world) for call in calls],
        "prompt_tokens": written.prompt_tokens,
        "output_tokens": written.output_tokens,
        "seconds": written.seconds,
        "tokens_per_second": written.output_tokens / written.seconds if written.output_tokens else None,
    }


def _ran(call: Call, tools: ToolSet, world: World) -> dict[str, Any]:
    place, result = _result(call, tools, world)
    return {**call.as_dict(), "schema": tools.validates(call), "ran_in": place, "result": result}


def _result(call: Call, tools: ToolSet, world: World) -> tuple[str, Result]:
    tool = tools.first(call.name)
    if tool is None:
        return NOWHERE, run_call(call, tools, world)
    if tool.implementation:
        return WORLD, run_call(call, tools, world)
    try:
        return STUB, tool.stub(call.arguments)
    except StubError as refusal:
        return STUB, {"error": str(refusal)}
