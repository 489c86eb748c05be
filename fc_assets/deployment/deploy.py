"""Bringing a release into service, and back: start, wait, probe, switch, retire; on any failure the old one answers.

With `blue_green` the new engine starts beside the old one, which answers until the switch. With `swap`, where one
card holds one engine, the old one is stopped first and started again if the new one fails. The record says what serves
before the proxy is told, so that `up` can finish what a killed process left.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from fc_assets.deployment import probe, proxy
from fc_assets.deployment.probe import Route
from fc_assets.deployment.targets.compose import Colour, Placed, other
from fc_assets.deployment.targets.stack import Stack, StackError, State, now
from fc_assets.errors import FcAssetsError
from fc_assets.profiles import ServerSettings
from fc_assets.serving.vllm_metrics import is_busy

CANARY_FILE = "canary.json"
_POLL_SECONDS = 0.5

Tell = Callable[[str], None]


class DeployError(FcAssetsError):
    """The release does not serve; the message says why, and what answers instead."""


@dataclass(frozen=True)
class ReleaseFiles:
    """A release on disk: its digest and the folder of the `promoted_policy` artefact."""

    digest: str
    folder: Path


@dataclass
class Outcome:
    """How a deployment went. `steps` are rows of step, seconds and what was seen; `image` is the engine's digest."""

    release: str
    colour: Colour
    server: ServerSettings
    changed: bool
    steps: list[dict[str, object]] = field(default_factory=list)
    image: str = ""
    canary_share: float | None = None
    slowest_answer_s: float | None = None

    @contextmanager
    def step(self, name: str, tell: Tell) -> Iterator[list[str]]:
        """Time one step; what is appended to the yielded list is what was seen."""
        began, seen = time.monotonic(), list[str]()
        tell(name)
        try:
            yield seen
        except BaseException as error:
            seen.append(f"failed: {error}")
            raise
        finally:
            seconds = round(time.monotonic() - began, 2)
            self.steps.append({"step": name, "seconds": seconds, "seen": "; ".join(seen)})


def deploy(stack: Stack, release: ReleaseFiles, server: ServerSettings, max_tokens: int, tell: Tell) -> Outcome:
    """Let `release` serve. Returns at once when it does already, with the same settings, and answers.

    Raises `DeployError` once the release that served before answers again, or says that none does.
    """
    with stack.locked():
        state = stack.state()
        if state.serving and _same(state.serving, release, server) and answers(stack):
            return Outcome(release.digest, state.serving.colour, server, changed=False)
        colour = other(state.serving.colour) if state.serving else "blue"
        candidate = Placed(release.digest, str(release.folder), colour, server)
        outcome = Outcome(release.digest, colour, server, changed=True)
        try:
            _bring_up(stack, state, candidate, outcome, max_tokens, tell)
        except BaseException as error:
            tell(f"{error}; rolling back")
            answering = _roll_back(stack, state, candidate)
            if not isinstance(error, FcAssetsError):
                raise
            raise DeployError(f"Release {release.digest[:16]} does not serve: {error}. {answering}") from error
        if state.serving:
            with outcome.step("retire the old engine", tell):
                _retire(stack, state.serving)
                stack.write([candidate])
        return outcome


def rollback(stack: Stack, max_tokens: int, tell: Tell) -> Outcome:
    """Let the release that served before serve again, by the same steps."""
    previous = stack.state().previous
    if previous is None:
        raise DeployError("No release served before the present one, so there is nothing to go back to")
    return deploy(stack, ReleaseFiles(previous.release, Path(previous.folder)), previous.server, max_tokens, tell)


def restore(stack: Stack, max_tokens: int, tell: Tell) -> Outcome:
    """Let the release on record serve again, after a stop, a crash, or a reboot."""
    serving = stack.state().serving
    if serving is None:
        raise DeployError("No release was ever deployed here: promote one and deploy it")
    return deploy(stack, ReleaseFiles(serving.release, Path(serving.folder)), serving.server, max_tokens, tell)


def stop(stack: Stack) -> None:
    """Stop everything on purpose: nothing heals it until `up` or a new release."""
    with stack.locked():
        stack.record(replace(stack.state(), wanted=False))
        stack.down()


def answers(stack: Stack) -> bool:
    """Whether the recorded release answers through the proxy, as users reach it."""
    serving = stack.state().serving
    if serving is None:
        return False
    users = Route(stack.url, stack.key("api"))
    try:
        probe.require_release(users, stack.settings.served_name, serving.release)
    except probe.ProbeError:
        return False
    return probe.healthy(users)


def engine_route(stack: Stack, colour: Colour) -> Route:
    """The operator's way to one engine, whether it serves or not."""
    return Route(f"{stack.url}{proxy.OPERATOR_PREFIX}/{colour}", stack.key("operator"))


def _same(serving: Placed, release: ReleaseFiles, server: ServerSettings) -> bool:
    return serving.release == release.digest and serving.server == server


def _bring_up(stack: Stack, state: State, candidate: Placed, outcome: Outcome, max_tokens: int, tell: Tell) -> None:
    settings = stack.settings
    canaries = json.loads((Path(candidate.folder) / CANARY_FILE).read_text(encoding="utf-8"))
    with outcome.step("render the stack, start the proxy", tell):
        stack.write([candidate, *([state.serving] if state.serving else [])])
        stack.start_fixtures(on_card=candidate.server.device == "cuda")
    if state.serving and settings.strategy == "swap":
        with outcome.step("stop the old engine", tell):
            stack.point_at(None)
            stack.remove(state.serving.colour)
    with outcome.step(f"start the {candidate.colour} engine and wait for its health", tell) as seen:
        stack.start(candidate.colour)
        _wait_until_healthy(stack, candidate.colour)
        if container := stack.container(candidate.colour):
            outcome.image = container.image
            seen.append(f"image {container.image}")
    route = engine_route(stack, candidate.colour)
    with outcome.step("ask which release it serves", tell):
        probe.require_release(route, settings.served_name, candidate.release)
    with outcome.step("ask the canary questions", tell) as seen:
        results = probe.ask_canaries(route, settings.served_name, canaries, max_tokens)
        outcome.canary_share = probe.require_canaries(results, settings.min_canary_share)
        seen.append(f"{outcome.canary_share:.0%} valid")
    with outcome.step("time the answers", tell) as seen:
        # Asked again: the first answers of an engine pay for its warm-up.
        results = probe.ask_canaries(route, settings.served_name, canaries, max_tokens)
        outcome.slowest_answer_s = probe.require_speed(results, settings.max_answer_s)
        seen.append(f"slowest {outcome.slowest_answer_s:.2f} s")
    with outcome.step("switch", tell):
        replaced = state.serving if state.serving and state.serving.release != candidate.release else state.previous
        stack.record(State(serving=candidate, previous=replaced, wanted=True, since=now()))
        stack.point_at(candidate)
        probe.require_release(Route(stack.url, stack.key("api")), settings.served_name, candidate.release)


def _wait_until_healthy(stack: Stack, colour: Colour) -> None:
    route, deadline = engine_route(stack, colour), time.monotonic() + stack.settings.start_timeout_s
    while not probe.healthy(route):
        container = stack.container(colour)
        # Docker starts it again by itself; one that fell over while starting is not waited for.
        if container is None or container.status in ("exited", "dead") or container.restarts:
            # While it is being started again its last status is not to be had.
            ended = container is not None and container.status != "running"
            how = f", with status {container.exit_code}" if ended else ""
            raise StackError(f"The engine ended while it was starting{how}; its log ends:\n{stack.log_tail(colour)}")
        if time.monotonic() > deadline:
            raise StackError(
                f"The engine was not healthy within {stack.settings.start_timeout_s} s (deployment.start_timeout_s); "
                f"its log ends:\n{stack.log_tail(colour)}"
            )
        time.sleep(_POLL_SECONDS)


def _roll_back(stack: Stack, state: State, candidate: Placed) -> str:
    """Undo a failed deployment; return a sentence saying what answers now."""
    old = state.serving
    try:
        stack.record(state)
        stack.remove(candidate.colour)
        stack.write([old] if old else [])
        if old is None:
            return "No release was serving before, so none does now"
        container = stack.container(old.colour)
        if container is None or container.status != "running":
            stack.start(old.colour)
            _wait_until_healthy(stack, old.colour)
        stack.point_at(old)
    except FcAssetsError as error:
        return f"What served before could not be brought back: {error}"
    if not answers(stack):
        return f"Release {old.release[:16]}, which served before, does not answer either"
    return f"Release {old.release[:16]}, which served before, answers"


def _retire(stack: Stack, old: Placed) -> None:
    """Let the old engine finish what it has begun, at most `drain_s`, then remove it."""
    route, deadline = engine_route(stack, old.colour), time.monotonic() + stack.settings.drain_s
    while time.monotonic() < deadline and _busy(route):
        time.sleep(_POLL_SECONDS)
    stack.remove(old.colour)


def _busy(route: Route) -> bool:
    try:
        return is_busy(route.get("/metrics"))
    except (OSError, ValueError):
        return False
