"""What policies that understand nothing earn as GRPO's reward: rows of the table in docs/metrics.md.

A policy here is a function from a row's tools and expected calls to a text; each shows one way of being paid for
nothing. How a reward is computed is `fc_assets.calls.rewards`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import Any

from fc_assets.calls.call import Call, Tool, calls_from_json
from fc_assets.calls.prompts import answer_text
from fc_assets.calls.rewards import Rewards, rewards
from fc_assets.data.rows.normalise import normalise_row
from fc_assets.data.rows.tools import ToolReader
from fc_assets.data.sources.generator import generate_rows
from fc_assets.profiles import RewardWeights

Policy = Callable[[Sequence[Tool], Sequence[Call]], str]

HEADING = ("policy", "the sum, the default", "gated")
ROWS, SEED = 100, 7
_JUNK: dict[str, Any] = {"string": "x", "integer": 0, "number": 0.0, "boolean": False, "array": [], "object": {}}


def policy_rows() -> list[Sequence[str]]:
    """A row for each policy: what it does, and its mean reward by both rules."""
    tasks = list(_tasks())
    found = []
    for what, policy in POLICIES.items():
        earned = [rewards(policy(tools, calls), tools, calls) for tools, calls in tasks]
        found.append((what, f"{_mean(earned, _SUM):.2f}", f"{_mean(earned, {'gated': 1.0}):.2f}"))
    return found


_SUM = RewardWeights().model_dump()


def _mean(earned: Sequence[Rewards], weights: dict[str, float]) -> float:
    return fmean(each.total(weights) for each in earned)


def _tasks() -> Iterator[tuple[list[Tool], list[Call]]]:
    """The tools and the expected calls of the generator's rows that expect any."""
    reader = ToolReader()
    for row in generate_rows(ROWS, SEED, irrelevance_share=0.0):
        example = normalise_row(row, reader)
        yield json.loads(example.tools), list(calls_from_json(example.calls))


def _junk(schema: dict[str, Any]) -> Any:
    """A value of the right type that means nothing."""
    return schema["enum"][0] if "enum" in schema else _JUNK[schema["type"]]


def _junk_call(tool: Tool) -> Call:
    parameters = tool["parameters"]
    return Call(tool["name"], {name: _junk(parameters["properties"][name]) for name in parameters.get("required", [])})


def _named(tools: Sequence[Tool], name: str) -> Tool:
    return next(tool for tool in tools if tool["name"] == name)


def _schema_echo(tools: Sequence[Tool], calls: Sequence[Call]) -> str:
    return answer_text([Call(call.name, _named(tools, call.name)["parameters"]["properties"]) for call in calls])


POLICIES: dict[str, Policy] = {
    "says nothing": lambda tools, calls: "",
    "refuses in words": lambda tools, calls: "None of the tools can do that.",
    "opens a call and never closes it": lambda tools, calls: f'<tool_call>{{"name": "{calls[0].name}"',
    "a tool that nobody offered": lambda tools, calls: answer_text([Call("tool", {})]),
    "the first tool, junk of the right types": lambda tools, calls: answer_text([_junk_call(tools[0])]),
    "the first tool, the expected values": lambda tools, calls: answer_text(
        [Call(tools[0]["name"], call.arguments) for call in calls]
    ),
    "the right names, no arguments": lambda tools, calls: answer_text([Call(call.name, {}) for call in calls]),
    "the right names, junk of the right types": lambda tools, calls: answer_text(
        [_junk_call(_named(tools, call.name)) for call in calls]
    ),
    "the right names, their schema as arguments": _schema_echo,
    "every tool once, junk of the right types": lambda tools, calls: answer_text([_junk_call(tool) for tool in tools]),
    "the right calls and every tool with junk": lambda tools, calls: answer_text(
        [*calls, *(_junk_call(tool) for tool in tools)]
    ),
    "each right call twice": lambda tools, calls: answer_text([call for call in calls for _ in range(2)]),
    "the first of the right calls": lambda tools, calls: answer_text(calls[:1]),
    "the right calls": lambda tools, calls: answer_text(calls),
}
"""Text by policy, by what it does; the last one is what all the others should be far from."""
