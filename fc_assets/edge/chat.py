"""A conversation with a GGUF file in which calls are answered: by the world's tools, or by stubs for all others.

Reading from and printing to a terminal is `cli`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fc_assets.calls.call import Call, Tool
from fc_assets.calls.tools.execution import run_call
from fc_assets.calls.tools.stubs import StubError
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.calls.world.state import Result, Start, World
from fc_assets.edge.ask import FileReply, Model, ask
from fc_assets.foundation.json_files import json_text

MAX_STEPS = 8
"""Answers to one message; a model that goes on calling is stopped there."""


class Chat:
    """One conversation and one world, both of which go on from message to message."""

    def __init__(self, model: Model, tools: Sequence[Tool], *, max_tokens: int) -> None:
        self._model, self._tools, self._max_tokens = model, tools, max_tokens
        self._compiled = compile_tools(tools)
        self._world = World(Start())
        self.messages: list[dict[str, Any]] = []

    def say(self, text: str) -> Iterator[tuple[FileReply, list[Result]]]:
        """Each answer to `text` as it comes, with a result for each of its calls; the last has no calls.

        Raises `FcAssetsError` when the conversation does not fit into the context any more.
        """
        self.messages.append({"role": "user", "content": text})
        for _ in range(MAX_STEPS):
            reply = ask(self._model, self.messages, self._tools, max_tokens=self._max_tokens)
            results = [self._result(call) for call in reply.calls]
            self._remember(reply, results)
            yield reply, results
            if not results:
                return

    def _remember(self, reply: FileReply, results: Sequence[Result]) -> None:
        if not reply.calls:
            self.messages.append({"role": "assistant", "content": reply.text})
            return
        made = [call.as_tool_call(f"call_{len(self.messages)}_{number}") for number, call in enumerate(reply.calls)]
        self.messages.append({"role": "assistant", "content": "", "tool_calls": made})
        self.messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": json_text(result)}
            for call, result in zip(made, results, strict=True)
        ]

    def _result(self, call: Call) -> Result:
        tool = self._compiled.first(call.name)
        if tool is None or tool.implementation is not None:
            return run_call(call, self._compiled, self._world)
        try:
            return tool.stub(call.arguments)
        except StubError as error:
            return {"error": str(error)}
