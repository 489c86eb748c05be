"""The stack from the command line: `fc-assets up|down|status|rollback`.

For people and for boot scripts; runs without Dagster. The profile is the one that `$FC_PROFILE` names, the home that of
`$FC_ASSETS_HOME`. What the commands do is `deploy`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fc_assets.deployment import deploy
from fc_assets.deployment.deploy import Outcome
from fc_assets.deployment.releases import latest_release
from fc_assets.deployment.targets.selection import target_of, why_unavailable
from fc_assets.deployment.targets.target import Target
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import ArtifactStore, default_home
from fc_assets.profiles import Profile, load_profile

COMMANDS = {
    "up": "serve the release on record again, or the latest promoted one where none was ever deployed",
    "down": "stop the stack; it stays down until `up` or the next deployment",
    "status": "say what serves",
    "rollback": "serve the release that served before the present one",
}
START_AN_ENGINE = ("up", "rollback")
NOTHING_ANSWERS = 3
"""Exit status of `status` when nothing answers, as of an init script's."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` begin with; return the exit status. Raises `FcAssetsError`."""
    parser = argparse.ArgumentParser(prog="fc-assets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, does in COMMANDS.items():
        commands.add_parser(name, help=does, description=does)
    command = parser.parse_args(arguments).command

    profile = load_profile()
    store = ArtifactStore(default_home(profile.name))
    stack = target_of(store, profile)
    if missing := why_unavailable(profile, to_start=command in START_AN_ENGINE):
        raise FcAssetsError(f"The stack cannot be managed: {missing}")
    if command == "up":
        _print_outcome(stack, _up(stack, profile))
    elif command == "rollback":
        _print_outcome(stack, deploy.rollback(stack, profile.evaluation.max_tokens, _print_progress))
    elif command == "down":
        deploy.stop(stack)
        print("The stack is down.")
    elif not _print_status(stack):
        return NOTHING_ANSWERS
    return 0


def _up(stack: Target, profile: Profile) -> Outcome:
    max_tokens = profile.evaluation.max_tokens
    if stack.state().serving is None:
        release = latest_release(stack.store).digest
        return deploy.deploy(stack, release, profile.server, max_tokens, _print_progress)
    return deploy.restore(stack, max_tokens, _print_progress)


def _print_progress(text: str) -> None:
    print(f"  {text}", flush=True)


def _print_outcome(stack: Target, outcome: Outcome) -> None:
    how = "serves now" if outcome.changed else "serves already"
    print(f"Release {outcome.release[:16]} {how} at {stack.url} as {stack.settings.served_name}.")
    print(f"The API key is {stack.key_place}.")


def _print_status(stack: Target) -> bool:
    """Print what serves; return whether it answers."""
    state = stack.state()
    if state.serving is None:
        print("No release was ever deployed here.")
        return False
    answers = state.wanted and deploy.answers(stack)
    condition = "answers" if answers else ("does not answer" if state.wanted else "was stopped on purpose")
    print(f"Release {state.serving.release} ({state.serving.colour}) {condition} at {stack.url}, since {state.since}.")
    if state.previous:
        print(f"Before it: {state.previous.release}; `rollback` brings it back.")
    return answers
