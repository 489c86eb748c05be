"""What a tool call is: how it is written, parsed, validated, executed on stubs, compared, scored and rewarded.

One implementation for training rewards, evaluation, canary and edge report. Text in, dataclasses out; nothing here
knows Dagster, a model, a file or a server. Importing this package is cheap: validator and scipy load when first used.
"""

from fc_assets.calls.call import Call, calls_from_json, calls_to_json, tools_from_json
from fc_assets.calls.judge import Judgement, judge
from fc_assets.calls.match import Match, equal, match_calls
from fc_assets.calls.metrics import METRIC_BY_NAME, METRICS, Metric, RowScore, aggregate, score_row
from fc_assets.calls.parse import Parsed, parse_lenient, parse_strict
from fc_assets.calls.prompts import THINK_OFF, answer_text, messages, render_prompt, wrap_tools
from fc_assets.calls.rewards import DEFAULT_WEIGHTS, SIGNALS, Rewards, rewards
from fc_assets.calls.schema import closed, compile_schema
from fc_assets.calls.tools import CompiledTool, ToolSet, compile_tools
from fc_assets.calls.turns import Step, expected_steps

__all__ = [
    "DEFAULT_WEIGHTS",
    "METRICS",
    "METRIC_BY_NAME",
    "SIGNALS",
    "THINK_OFF",
    "Call",
    "CompiledTool",
    "Judgement",
    "Match",
    "Metric",
    "Parsed",
    "Rewards",
    "RowScore",
    "Step",
    "ToolSet",
    "aggregate",
    "answer_text",
    "calls_from_json",
    "calls_to_json",
    "closed",
    "compile_schema",
    "compile_tools",
    "equal",
    "expected_steps",
    "judge",
    "match_calls",
    "messages",
    "parse_lenient",
    "parse_strict",
    "render_prompt",
    "rewards",
    "score_row",
    "tools_from_json",
    "wrap_tools",
]
