"""The one chat request: what evaluation, load test, canary questions and edge report ask a server, thinking off.

Training sees prompts with thinking off, so a server must be asked the same way; said here once, it cannot be forgotten
in one place. A server that is started here does so by itself (`vllm_command`); an external one has to be told. Sending
a request is the caller's work; rendering a prompt without a server is `calls.prompts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from fc_assets.calls.call import Tool
from fc_assets.calls.prompts import wrap_tools

ToolChoice = Literal["none", "auto", "required"]
"""none: the raw text comes back; auto: the server reads calls out of it; required: the server forces a call."""

TEMPLATE_OPTIONS: Mapping[str, Any] = {"enable_thinking": False}
"""What the chat template is told, by every request and by the server where a request says nothing."""


def conversation(
    messages: Iterable[Mapping[str, Any]], tools: Sequence[Tool], *, strict: bool = False
) -> dict[str, Any]:
    """The part of a body that the chat template renders: messages, tools if there are any, thinking off.

    With `strict` vLLM forces the arguments of a call into the tool's schema, and not just into the shape of a call.
    """
    body: dict[str, Any] = {"messages": list(messages), "chat_template_kwargs": dict(TEMPLATE_OPTIONS)}
    if tools:
        body["tools"] = wrap_tools(tools)
        if strict:
            for tool in body["tools"]:
                tool["function"]["strict"] = True
    return body


def chat_request(
    model: str,
    messages: Iterable[Mapping[str, Any]],
    tools: Sequence[Tool],
    *,
    max_tokens: int,
    tool_choice: ToolChoice,
    strict: bool = False,
) -> dict[str, Any]:
    """The body of a greedy `/v1/chat/completions` request; a caller adds seed or streaming.

    With `tool_choice` "none" vLLM still renders the tools into the prompt (unless the server was started with
    --exclude-tools-when-tool-choice-none) and returns the model's raw text, tool-call blocks included.
    """
    body = {
        "model": model,
        "temperature": 0.0,
        "max_tokens": max_tokens,
        **conversation(messages, tools, strict=strict),
    }
    return {**body, "tool_choice": tool_choice} if tools else body
