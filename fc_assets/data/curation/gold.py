"""The expected calls of an example, judged as if a model had made them.

Rows that earn less than all four rewards limit what GRPO can reach. `fc_assets.calls` judges them; here the judgement
is explained by its cause, and values of another type are mended on request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.call import Call, calls_from_json, calls_to_json
from fc_assets.calls.coercion import coerced_argument
from fc_assets.calls.prompts import answer_text
from fc_assets.calls.rewards import rewards
from fc_assets.calls.tools.schema import is_valid
from fc_assets.calls.tools.toolset import CompiledTool, ToolSet, compile_tools

FLAG_COERCED = "gold_coerced"
FLAG_IMPERFECT = "gold_imperfect"


@dataclass(frozen=True, slots=True)
class GoldAudit:
    """Whether the calls earn all four rewards, in full, and what was wrong with them as they were found.

    `calls` is the JSON that was judged, mended if that was asked for and helped; `cause` is empty where nothing was
    wrong.
    """

    perfect: bool
    calls: str
    cause: str = ""


def audit(tools: str, text: str, *, coerce: bool) -> GoldAudit:
    """Judge the expected calls `text` against the `tools` offered, both JSON lists."""
    if text == "[]":
        return GoldAudit(True, text)
    compiled, calls = compile_tools(tools), calls_from_json(text)
    # Calls that validate and execute match themselves.
    if all(compiled.validates(call) and compiled.executes(call) for call in calls):
        return GoldAudit(True, text)
    cause = next(filter(None, (_cause(compiled, call) for call in calls)), "value breaks the schema")
    if coerce:
        mended = [Call(call.name, _mended(compiled.first(call.name), call.arguments)) for call in calls]
        if _perfect(tools, compiled, mended):
            return GoldAudit(True, calls_to_json(mended), cause)
    return GoldAudit(_perfect(tools, compiled, calls), text, cause)


def audit_turns(tools: str, turns: str, *, coerce: bool) -> GoldAudit:
    """Judge all expected calls of a conversation, a JSON list of {"from", "value"}; `calls` is that list, mended."""
    conversation = json.loads(turns)
    audits = []
    for turn in conversation:
        if turn["from"] == "function_call":
            audited = audit(tools, turn["value"], coerce=coerce)
            audits.append(audited)
            if audited.calls != turn["value"]:
                mended = json.loads(audited.calls)
                turn["value"] = _dumped(mended if len(mended) > 1 else mended[0])
    perfect = all(audited.perfect for audited in audits)
    cause = next((audited.cause for audited in audits if audited.cause), "")
    return GoldAudit(perfect, _dumped(conversation) if cause and perfect else turns, cause)


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _perfect(tools: str, compiled: ToolSet, calls: Sequence[Call]) -> bool:
    earned = rewards(answer_text(calls), tools, calls)
    four = (earned.json_parse, earned.schema_hit, earned.simulated_exec, earned.semantic_match)
    return min(four) == 1.0 and all(compiled.validates(call) for call in calls)


def _cause(compiled: ToolSet, call: Call) -> str:
    tool = compiled.first(call.name)
    if tool is None:
        return "function is not offered"
    if is_valid(tool.validator, call.arguments):
        return "" if tool.stub.binds(call.arguments) else "value is not of its format"
    declared = tool.parameters.get("properties") or {}
    if any(name not in call.arguments for name in tool.parameters.get("required") or ()):
        return "required argument is missing"
    if any(name not in declared for name in call.arguments):
        return "argument is not declared"
    if any(not tool.stub.accepts_type(name, value) for name, value in call.arguments.items()):
        return "value of another type"
    return "value breaks the schema"


def _mended(tool: CompiledTool | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
    if tool is None:
        return dict(arguments)
    return {
        name: value if tool.stub.accepts_type(name, value) else coerced_argument(value, tool.property_schema(name))
        for name, value in arguments.items()
    }
