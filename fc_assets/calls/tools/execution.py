"""Whether calls did what the expected ones do: both run from the same start, and what came of them is compared.

This is for tools with an implementation in `world`; the others have stubs, which only check. What a row makes of it is
decided in `metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence

from fc_assets.calls.call import Call
from fc_assets.calls.tools.toolset import ToolSet
from fc_assets.calls.world.state import Result, Start, World


def run_call(call: Call, tools: ToolSet, world: World) -> Result:
    """Run a call in `world`; {"error": ...} where it is refused, or names no offered tool that runs. Never raises."""
    tool = tools.first(call.name)
    if tool is None or tool.implementation is None:
        return {"error": "no such function"}
    return tool.implementation.run(world, call.arguments)


def runs_in_world(calls: Sequence[Call], tools: ToolSet) -> bool:
    """Whether there are calls and every one is of a tool that has an implementation."""
    found = [tools.first(call.name) for call in calls]
    return bool(found) and all(tool is not None and tool.implementation is not None for tool in found)


def same_effect(emitted: Sequence[Call], expected: Sequence[Call], tools: ToolSet, start: Start | None = None) -> bool:
    """Whether the emitted calls leave the world as the expected ones do, and return the same.

    They run in their order. Results count whatever their order, so that calls may be swapped where that changes nothing
    in the world.
    """
    start = start or Start()
    worlds = World(start), World(start)
    own, wanted = (_results(calls, tools, world) for calls, world in zip((emitted, expected), worlds, strict=True))
    return _alike(own, wanted) and worlds[0].snapshot() == worlds[1].snapshot()


def _results(calls: Sequence[Call], tools: ToolSet, world: World) -> list[Result]:
    return [run_call(call, tools, world) for call in calls]


def _alike(some: list[Result], others: list[Result]) -> bool:
    """Whether both hold the same results, in any order."""
    left = list(others)
    for result in some:
        if result not in left:
            return False
        left.remove(result)
    return not left
