"""Bringing a release into service, and back: start, wait, probe, switch, retire; on any failure the old one answers.

With `blue_green` the new engine starts beside the old one, which answers until the switch. With `swap`, where one
card holds one engine, the old one is stopped first and started again if the new one fails. The record names the new
engine before the proxy switches to it, so that `up` can finish what a killed process left. When to deploy is decided in
`redeploy`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from fc_assets.deployment import probe
from fc_assets.deployment.engine import Colour, EngineSpec, other_colour
from fc_assets.deployment.targets.stack import StackError, StackState, now
from fc_assets.deployment.targets.target import Target
from fc_assets.errors import FcAssetsError
from fc_assets.names import CANARY_QUESTIONS, PROMOTED_POLICY
from fc_assets.profiles import ServerSettings
from fc_assets.serving.endpoint import Endpoint
from fc_assets.serving.vllm_metrics import is_busy

_POLL_SECONDS = 0.5

Progress = Callable[[str], None]
"""Is called with a line for people at each step."""


class DeployError(FcAssetsError):
    """The release does not serve; the message says why, and what answers instead."""


@dataclass(frozen=True)
class DeployStep:
    """One step of a deployment, its seconds, and what was seen."""

    step: str
    seconds: float
    seen: str


@dataclass
class Outcome:
    """How a deployment went. `image` is the digest of the engine's image; `changed` is False where nothing was done."""

    release: str
    colour: Colour
    server: ServerSettings
    changed: bool
    steps: list[DeployStep] = field(default_factory=list)
    image: str = ""
    canary_share: float | None = None
    slowest_answer_s: float | None = None

    @contextmanager
    def step(self, name: str, progress: Progress) -> Iterator[list[str]]:
        """Time one step; what is appended to the yielded list is what was seen."""
        began, seen = time.monotonic(), list[str]()
        progress(name)
        try:
            yield seen
        except BaseException as error:
            seen.append(f"failed: {error}")
            raise
        finally:
            seconds = round(time.monotonic() - began, 2)
            self.steps.append(DeployStep(name, seconds, "; ".join(seen)))


def deploy(stack: Target, release: str, server: ServerSettings, max_tokens: int, progress: Progress) -> Outcome:
    """Let the release of that digest serve. Returns at once when it does already, with the same settings, and answers.

    In a home that was moved it is started again: the containers know their folders by the old path. Raises
    `DeployError` once the release that served before answers again, or says that none does.
    """
    with stack.locked():
        moved, state = bool(stack.former_folders()), stack.state()
        if state.serving and not moved and _same(state.serving, release, server) and answers(stack):
            return Outcome(release, state.serving.colour, server, changed=False)
        colour = other_colour(state.serving.colour) if state.serving else "blue"
        candidate = EngineSpec(release, colour, server)
        outcome = Outcome(release, colour, server, changed=True)
        try:
            _bring_up(stack, state, candidate, outcome, max_tokens, progress)
        except BaseException as error:
            progress(f"{error}; rolling back")
            answering = _roll_back(stack, state, candidate)
            if not isinstance(error, FcAssetsError):
                raise
            raise DeployError(f"Release {release[:16]} does not serve: {error}. {answering}") from error
        if state.serving:
            with outcome.step("retire the old engine", progress):
                _retire(stack, state.serving)
                stack.write([candidate])
        return outcome


def rollback(stack: Target, max_tokens: int, progress: Progress) -> Outcome:
    """Let the release that served before serve again, by the same steps."""
    previous = stack.state().previous
    if previous is None:
        raise DeployError("No release served before the present one, so there is nothing to go back to")
    stack.store.open(PROMOTED_POLICY, previous.release)
    return deploy(stack, previous.release, previous.server, max_tokens, progress)


def restore(stack: Target, max_tokens: int, progress: Progress) -> Outcome:
    """Let the release on record serve again, after a stop, a crash, or a reboot."""
    serving = stack.state().serving
    if serving is None:
        raise DeployError("No release was ever deployed here: promote one and deploy it")
    stack.store.open(PROMOTED_POLICY, serving.release)
    return deploy(stack, serving.release, serving.server, max_tokens, progress)


def stop(stack: Target) -> None:
    """Stop everything on purpose: nothing heals it until `up` or a new release."""
    with stack.locked():
        stack.former_folders()  # refuses to stop what another home has started
        stack.record(replace(stack.state(), wanted=False))
        stack.down()


def answers(stack: Target) -> bool:
    """Whether the recorded release answers through the proxy, as users reach it."""
    serving = stack.state().serving
    if serving is None:
        return False
    return _answers_users(stack, serving.release)


def _answers_users(stack: Target, release: str) -> bool:
    users = users_endpoint(stack)
    try:
        probe.require_release(users, release)
    except probe.ProbeError:
        return False
    return probe.healthy(users)


def users_endpoint(stack: Target) -> Endpoint:
    """The release that serves, as users reach it."""
    return stack.users_endpoint()


def engine_endpoint(stack: Target, colour: Colour) -> Endpoint:
    """One engine, whether it serves or not."""
    return stack.engine_endpoint(colour)


def _same(serving: EngineSpec, release: str, server: ServerSettings) -> bool:
    return serving.release == release and serving.server == server


def _bring_up(
    stack: Target, state: StackState, candidate: EngineSpec, outcome: Outcome, max_tokens: int, progress: Progress
) -> None:
    settings = stack.settings
    release = stack.store.folder(PROMOTED_POLICY, candidate.release)
    canaries = json.loads((release / CANARY_QUESTIONS).read_text(encoding="utf-8"))
    with outcome.step("render the stack, start the proxy", progress):
        stack.write([candidate, *([state.serving] if state.serving else [])])
        stack.start_shared_services(on_card=candidate.server.device == "cuda")
    if state.serving and settings.strategy == "swap":
        with outcome.step("stop the old engine", progress):
            stack.point_at(None)
            stack.remove(state.serving.colour)
    with outcome.step(f"start the {candidate.colour} engine and wait for its health", progress) as seen:
        stack.start(candidate.colour)
        _wait_until_healthy(stack, candidate.colour)
        if image := stack.image(candidate.colour):
            outcome.image = image
            seen.append(f"image {image}")
    engine = engine_endpoint(stack, candidate.colour)
    with outcome.step("ask which release it serves", progress):
        probe.require_release(engine, candidate.release)
    with outcome.step("ask the canary questions", progress) as seen:
        results = probe.ask_canaries(engine, canaries, max_tokens)
        outcome.canary_share = probe.require_canaries(results, settings.min_canary_share)
        seen.append(f"{outcome.canary_share:.0%} valid")
    with outcome.step("time the answers", progress) as seen:
        # Asked again: the first answers of an engine pay for its warm-up.
        results = probe.ask_canaries(engine, canaries, max_tokens)
        outcome.slowest_answer_s = probe.require_speed(results, settings.max_answer_s)
        seen.append(f"slowest {outcome.slowest_answer_s:.2f} s")
    with outcome.step("switch", progress):
        replaced = state.serving if state.serving and state.serving.release != candidate.release else state.previous
        stack.record(StackState(serving=candidate, previous=replaced, wanted=True, since=now()))
        stack.point_at(candidate)
        probe.require_release(users_endpoint(stack), candidate.release)


def _wait_until_healthy(stack: Target, colour: Colour) -> None:
    engine, deadline = engine_endpoint(stack, colour), time.monotonic() + stack.settings.start_timeout_s
    while not probe.healthy(engine):
        if failed := stack.why_failed(colour):
            raise StackError(failed)
        if time.monotonic() > deadline:
            raise StackError(
                f"The engine was not healthy within {stack.settings.start_timeout_s} s (deployment.start_timeout_s); "
                f"{stack.last_words(colour)}"
            )
        time.sleep(_POLL_SECONDS)


def _roll_back(stack: Target, state: StackState, candidate: EngineSpec) -> str:
    """Undo a failed deployment; return a sentence saying what answers now."""
    old = state.serving
    try:
        stack.record(state)
        stack.remove(candidate.colour)
        stack.write([old] if old else [])
        if old is None:
            return "No release was serving before, so none does now"
        if not stack.runs(old.colour):
            stack.start(old.colour)
            _wait_until_healthy(stack, old.colour)
        stack.point_at(old)
    except FcAssetsError as error:
        if old and _answers_users(stack, old.release):
            before = f"{old.release[:16]}, which served before, answers"
            return f"What it left could not be cleared away ({error}), but release {before}"
        return f"What served before could not be brought back: {error}"
    if not answers(stack):
        return f"Release {old.release[:16]}, which served before, does not answer either"
    return f"Release {old.release[:16]}, which served before, answers"


def _retire(stack: Target, old: EngineSpec) -> None:
    """Let the old engine finish what it has begun, at most `drain_s`, then remove it."""
    engine, deadline = engine_endpoint(stack, old.colour), time.monotonic() + stack.settings.drain_s
    while time.monotonic() < deadline and _busy(engine):
        time.sleep(_POLL_SECONDS)
    stack.remove(old.colour)


def _busy(engine: Endpoint) -> bool:
    try:
        return is_busy(engine.get("/metrics"))
    except (OSError, ValueError):
        return False
