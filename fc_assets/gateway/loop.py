"""The client's loop: the policy is asked, its calls are executed on the servers, and it reads what they return.

Bounded in turns, calls, time and the size of a result. A call that breaks its schema, or a destructive one that nobody
confirmed, is not executed: the policy is told so. What a server returns is data: it is cut, and cannot end its place in
the prompt. Which tools there are is `offer`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio

from fc_assets.calls.call import Call
from fc_assets.calls.parse import parse_strict
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.calls.tools.untrusted import without_marks
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.json_files import json_text, writable
from fc_assets.gateway.offer import Offer, OfferedTool
from fc_assets.gateway.policy import Policy
from fc_assets.gateway.transcript import Ended, ExecutedCall, Transcript
from fc_assets.gateway.verdicts import CallVerdict, verdict_on
from fc_assets.tool_servers.client import ToolServerError

Confirm = Callable[[OfferedTool, Call], bool]
"""Asked before a destructive call: whether it may be executed."""


@dataclass(frozen=True, slots=True)
class LoopBounds:
    """The most answers of the model, calls in one of them, seconds in all, and characters of a result."""

    turns: int = 6
    calls: int = 8
    seconds: float = 120.0
    result_chars: int = 4000


def declines(tool: OfferedTool, call: Call) -> bool:
    """Nobody can be asked: no."""
    return False


async def converse(
    question: str, offer: Offer, policy: Policy, bounds: LoopBounds, confirm: Confirm = declines
) -> Transcript:
    """Ask until the policy answers in words or a bound is reached. Failures end the transcript and are said in it."""
    transcript = Transcript(question, list(offer.left_out))
    with anyio.move_on_after(bounds.seconds) as scope:
        try:
            await _Conversation(transcript, offer, policy, bounds, confirm).run()
        except FcAssetsError as error:
            # The model's request has the same bound: which of the two ends first is chance.
            late = anyio.current_time() >= scope.deadline
            transcript.ended, transcript.error = Ended.TIME if late else Ended.FAILED, str(error)
    if scope.cancelled_caught:
        transcript.ended = Ended.TIME
    return transcript


class _Conversation:
    def __init__(
        self, transcript: Transcript, offer: Offer, policy: Policy, bounds: LoopBounds, confirm: Confirm
    ) -> None:
        self.transcript, self.offer, self.policy = transcript, offer, policy
        self.bounds, self.confirm = bounds, confirm
        self.compiled = compile_tools(offer.forms)
        self.messages: list[dict[str, Any]] = [{"role": "user", "content": without_marks(transcript.question)}]

    async def run(self) -> None:
        for turn in range(self.bounds.turns):
            ask = partial(self.policy.answer, list(self.messages), self.offer.forms, self.bounds.seconds)
            text = await anyio.to_thread.run_sync(ask, abandon_on_cancel=True)
            self.transcript.texts.append(writable(text))
            parsed = parse_strict(text)
            if parsed.malformed or len(parsed.calls) > self.bounds.calls:
                self.transcript.ended = Ended.MALFORMED
                return
            if not parsed.calls:
                self.transcript.ended, self.transcript.answer = Ended.ANSWERED, writable(parsed.answer)
                return
            await self._execute(turn, parsed.calls)

    async def _execute(self, turn: int, calls: tuple[Call, ...]) -> None:
        ids = [f"call_{turn}_{number}" for number in range(len(calls))]
        made = [call.as_tool_call(name) for name, call in zip(ids, calls, strict=True)]
        self.messages.append({"role": "assistant", "content": "", "tool_calls": made})
        for name, call in zip(ids, calls, strict=True):
            executed = await self._call(call)
            self.transcript.calls.append(executed)
            self.messages.append({"role": "tool", "tool_call_id": name, "content": executed.result})

    async def _call(self, call: Call) -> ExecutedCall:
        verdict, began = verdict_on(call, self.compiled), time.monotonic()
        tool = self.offer.tools.get(call.name)
        if verdict is CallVerdict.VALID and tool is not None and tool.listed.destructive:
            ask = partial(self.confirm, tool, call)
            if not await anyio.to_thread.run_sync(ask, abandon_on_cancel=True):
                verdict = CallVerdict.DECLINED
        if verdict is not CallVerdict.VALID or tool is None:
            said = json_text({"error": str(verdict)})
            return ExecutedCall(call.name, call.arguments, verdict, "", said, failed=True, seconds=0.0)
        server = tool.connection.server.name
        try:
            outcome = await tool.connection.call(call.name, call.arguments)
        except ToolServerError as error:
            text, failed = json_text({"error": str(error)}), True
        else:
            text, failed = outcome.text, outcome.failed
        seconds = round(time.monotonic() - began, 3)
        return ExecutedCall(call.name, call.arguments, verdict, server, self._shown(text), failed, seconds)

    def _shown(self, text: str) -> str:
        """A result as the policy reads it."""
        limit = self.bounds.result_chars
        cut = text if len(text) <= limit else f"{text[:limit]} … (cut: {len(text)} characters)"
        return writable(without_marks(cut))
