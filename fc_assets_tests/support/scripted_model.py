"""An OpenAI-compatible server whose words are known: `with scripted_model([...]) as server`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import answer_text
from fc_assets_tests.support.scripted_server import Action, ScriptedServer, Send, Wait

Words = Callable[[Mapping[str, Any]], str]


def whole_answer(payload: object, status: str = "200 OK") -> bytes:
    """An HTTP answer with this JSON body."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def message(content: str) -> dict[str, Any]:
    """A chat completion with this text."""
    return {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}


def calls(*made: tuple[str, dict[str, Any]]) -> str:
    """Calls as the model writes them."""
    return answer_text([Call(name, arguments) for name, arguments in made])


@contextlib.contextmanager
def scripted_model(answers: Sequence[str | bytes | float | Words]) -> Iterator[ScriptedServer]:
    """Give these answers in turn, the last one for ever: text, a raw HTTP answer, seconds of silence, or a function of
    the request."""
    left = list(answers)

    def script(body: Mapping[str, Any]) -> list[Action]:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, bytes):
            return [Send(answer)]
        if isinstance(answer, float):
            return [Wait(answer), Send(whole_answer(message("late")))]
        return [Send(whole_answer(message(answer(body) if callable(answer) else answer)))]

    with ScriptedServer(script) as server:
        yield server
