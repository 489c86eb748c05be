"""What the tools would have answered: results of the stubs, appended to single-turn rows where a profile asks for them.

A stub only checks and echoes, so such a row teaches the form of a conversation with tools, not facts.
"""

from __future__ import annotations

import orjson

from fc_assets.calls.call import calls_from_json
from fc_assets.calls.tools.stubs import StubError
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.data.rows.normalise import Example
from fc_assets.data.rows.sharegpt import conversation


def with_observation(example: Example) -> Example:
    """The example with an observation and a closing answer; itself where no call is expected or a stub refuses one."""
    if example.turns or example.calls == "[]":
        return example
    tools = compile_tools(example.tools)
    results = []
    for call in calls_from_json(example.calls):
        tool = tools.first(call.name)
        if tool is None:
            return example
        try:
            results.append(tool.stub(call.arguments))
        except StubError:
            return example
    results_json = orjson.dumps(results if len(results) > 1 else results[0]).decode()
    turns = [
        *conversation(example),
        {"from": "observation", "value": results_json},
        {"from": "gpt", "value": f"Done: {results_json}"},
    ]
    return example._replace(turns=orjson.dumps(turns).decode())
