"""Whether an engine serves the right release, rightly and quickly: identity, canary questions, answer times.

Asks through the proxy, by the engine's colour or as a user does. What follows from an answer is `deploy`'s decision.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.call import Call
from fc_assets.calls.prompts import wrap_tools
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.deployment.targets.compose import release_name
from fc_assets.errors import FcAssetsError

REQUEST_TIMEOUT_S = 60.0


class ProbeError(FcAssetsError):
    """The engine does not serve what it should, or not well enough."""


@dataclass(frozen=True)
class Route:
    """A way to an engine: the address in front of `/v1`, and the key that opens it."""

    base_url: str
    key: str

    def get(self, path: str, timeout_s: float = 10.0) -> str:
        """The body of a GET. Raises OSError."""
        with urllib.request.urlopen(self._request(path), timeout=timeout_s) as answer:
            return answer.read().decode()

    def post(self, path: str, body: Mapping[str, Any], timeout_s: float = REQUEST_TIMEOUT_S) -> dict[str, Any]:
        """The JSON answer to a JSON body. Raises OSError, or ValueError for an answer that is not JSON."""
        request = self._request(path)
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return json.load(answer)

    def _request(self, path: str) -> urllib.request.Request:
        return urllib.request.Request(self.base_url + path, headers={"Authorization": f"Bearer {self.key}"})


@dataclass(frozen=True)
class CanaryResult:
    """One canary answer: whether every call in it fits its tool's schema, and the time that it took in seconds."""

    id: str
    valid: bool
    seconds: float
    problem: str


def healthy(route: Route) -> bool:
    """Whether the engine says that it is."""
    try:
        route.get("/health", timeout_s=5)
    except OSError:
        return False
    return True


def served_names(route: Route) -> list[str]:
    """The names in `/v1/models`. Raises `ProbeError` when they cannot be had."""
    try:
        return [str(each["id"]) for each in json.loads(route.get("/v1/models"))["data"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProbeError(f"/v1/models gave no list of models ({error})") from error


def require_release(route: Route, served_name: str, release: str) -> None:
    """Raise `ProbeError` unless the engine serves this release, under its own name and the stable one."""
    names = served_names(route)
    missing = {served_name, release_name(served_name, release)} - set(names)
    if missing:
        raise ProbeError(f"/v1/models lists {', '.join(names)}, but not {', '.join(sorted(missing))}")


def ask_canaries(
    route: Route, model: str, canaries: Sequence[Mapping[str, Any]], max_tokens: int
) -> list[CanaryResult]:
    """Ask each canary question once, as a client would: tools offered, the server reading the calls."""
    return [_ask(route, model, canary, max_tokens) for canary in canaries]


def _ask(route: Route, model: str, canary: Mapping[str, Any], max_tokens: int) -> CanaryResult:
    body = {
        "model": model,
        "messages": canary["messages"],
        "tools": wrap_tools(canary["tools"]),
        "tool_choice": "auto",
        "temperature": 0.0,
        "max_tokens": max_tokens,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    began = time.monotonic()
    try:
        answer = route.post("/v1/chat/completions", body)
        problem = _problem(answer["choices"][0]["message"], canary["tools"])
    except urllib.error.HTTPError as error:
        problem = f"status {error.code}: {error.read(500).decode('utf-8', 'replace')}"
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        problem = f"no usable answer ({error!r})"
    return CanaryResult(str(canary["id"]), not problem, round(time.monotonic() - began, 3), problem)


def _problem(message: Mapping[str, Any], tools: Sequence[Mapping[str, Any]]) -> str:
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
