"""Whether an engine serves the right release, rightly and quickly: identity, canary questions, answer times.

A canary question names the model, the conversation and the tools, and leaves all else to the server, as most clients
do: so it shows what they get. An answer that thinks is no valid one, because the model was not trained to.

Asks through the proxy, by the engine's colour or as a user does: the endpoint says which, and its model is the stable
served name. What follows from an answer is decided in `deploy`.
"""

from __future__ import annotations

import json
import shlex
import time
import urllib.error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import wrap_tools
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.deployment.engine import release_name
from fc_assets.errors import FcAssetsError
from fc_assets.serving.endpoint import Endpoint
from fc_assets.serving.vllm_command import SAME_AS_TRAINED_FLAGS

_THINKING_MARKS = ("<think>", "</think>")
_THINKING_OFF = shlex.join(SAME_AS_TRAINED_FLAGS[:2])


class ProbeError(FcAssetsError):
    """The engine does not serve what it should, or not well enough."""


@dataclass(frozen=True)
class CanaryResult:
    """One canary answer: whether every call in it fits its tool's schema, and the time that it took in seconds."""

    id: str
    valid: bool
    seconds: float
    problem: str


def healthy(endpoint: Endpoint) -> bool:
    """Whether the engine says that it is."""
    try:
        endpoint.get("/health", timeout_s=5)
    except OSError:
        return False
    return True


def served_names(endpoint: Endpoint) -> list[str]:
    """The names in `/v1/models`. Raises `ProbeError` when they cannot be had."""
    try:
        return list(endpoint.models())
    except (OSError, ValueError) as error:
        raise ProbeError(f"/v1/models cannot be had ({error})") from error


def require_release(endpoint: Endpoint, release: str) -> None:
    """Raise `ProbeError` unless the engine serves this release, under its own name and the stable one."""
    names = served_names(endpoint)
    missing = {endpoint.model, release_name(endpoint.model, release)} - set(names)
    if missing:
        raise ProbeError(f"/v1/models lists {', '.join(names)}, but not {', '.join(sorted(missing))}")


def ask_canaries(endpoint: Endpoint, canaries: Sequence[Mapping[str, Any]], max_tokens: int) -> list[CanaryResult]:
    """Ask each canary question once, for at most `max_tokens` tokens; the server reads the calls."""
    return [_ask_canary(endpoint, canary, max_tokens) for canary in canaries]


def _ask_canary(endpoint: Endpoint, canary: Mapping[str, Any], max_tokens: int) -> CanaryResult:
    body = {
        "model": endpoint.model,
        "messages": canary["messages"],
        "tools": wrap_tools(canary["tools"]),
        "max_tokens": max_tokens,
    }
    began = time.monotonic()
    try:
        answer = endpoint.post("/v1/chat/completions", body)
        problem = _problem(answer["choices"][0]["message"], canary["tools"])
    except urllib.error.HTTPError as error:
        problem = f"status {error.code}: {error.read(500).decode('utf-8', 'replace')}"
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        problem = f"no usable answer ({error!r})"
    return CanaryResult(str(canary["id"]), not problem, round(time.monotonic() - began, 3), problem)


def _problem(message: Mapping[str, Any], tools: Sequence[Mapping[str, Any]]) -> str:
    """Why a message is no valid answer to a canary question; empty when it is one."""
    if thought := _thought(message):
        return f"it thinks, {thought[:120]!r}, and the model was trained not to: serve it with {_THINKING_OFF}"
    offered = compile_tools(list(tools))
    calls = message.get("tool_calls") or []
    if not calls:
        return f"no tool call, but the text {str(message.get('content'))[:120]!r}"
    for call in calls:
        function = call["function"]
        arguments = json.loads(function["arguments"])
        if not isinstance(arguments, dict) or not offered.validates(Call(function["name"], arguments)):
            return f"{function['name']}({function['arguments'][:120]}) does not fit the schema of any offered tool"
    return ""


def _thought(message: Mapping[str, Any]) -> str:
    """The text that shows that an answer thinks: the thought itself where the server reads it out; empty for none."""
    told, content = (str(message.get(name) or "") for name in ("reasoning", "content"))
    return told or (content if any(mark in content for mark in _THINKING_MARKS) else "")


def require_canaries(results: Sequence[CanaryResult], min_share: float) -> float:
    """The share of valid answers; raise `ProbeError` when it is below `min_share`."""
    valid = sum(result.valid for result in results)
    share = valid / len(results)
    if share < min_share:
        first = next(result for result in results if not result.valid)
        raise ProbeError(
            f"{valid} of {len(results)} canary questions were answered with schema-valid calls, {min_share:.0%} are "
            f"wanted (deployment.min_canary_share); {first.id}: {first.problem}"
        )
    return share


def require_speed(results: Sequence[CanaryResult], max_answer_s: float) -> float:
    """The slowest answer in seconds; raise `ProbeError` when it is above `max_answer_s`."""
    slowest = max(result.seconds for result in results)
    if slowest > max_answer_s:
        raise ProbeError(
            f"The slowest canary answer took {slowest:.2f} s, {max_answer_s:g} s are allowed (deployment.max_answer_s)"
        )
    return slowest
