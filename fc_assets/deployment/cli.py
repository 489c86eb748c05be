"""The stack from the command line: `fc-assets up|down|status|rollback`.

For people and for boot scripts; runs without Dagster. The profile is `$FC_PROFILE`'s, the home `$FC_ASSETS_HOME`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from fc_assets.deployment import deploy
from fc_assets.deployment.deploy import Outcome, ReleaseFiles
from fc_assets.deployment.targets.stack import Stack, why_unavailable
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import ArtifactStore, default_home
from fc_assets.names import MANIFEST
from fc_assets.profiles import Profile, load_profile

COMMANDS = {
    "up": "serve the release on record again, or the latest promoted one where none was ever deployed",
    "down": "stop the stack; it stays down until `up` or the next deployment",
    "status": "say what serves",
    "rollback": "serve the release that served before the present one",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(prog="fc-assets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, said in COMMANDS.items():
        commands.add_parser(name, help=said, description=said)
    command = parser.parse_args(arguments).command
    try:
        profile, home = load_profile(), default_home()
        stack = Stack(home / "deployment", profile.deployment)
        starts = command in ("up", "rollback")
        if missing := why_unavailable(profile.deployment.image if starts else ""):
            raise FcAssetsError(f"The stack cannot be managed: {missing}")
        if command == "up":
            _report(stack, _up(stack, profile, ArtifactStore(home)))
        elif command == "rollback":
            _report(stack, deploy.rollback(stack, profile.evaluation.max_tokens, _tell))
        elif command == "down":
            deploy.stop(stack)
            print("The stack is down.")
        else:
            return _status(stack)
    except FcAssetsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def latest_release(store: ArtifactStore) -> ReleaseFiles:
    """The release that was promoted last, verified byte by byte. Raises `FcAssetsError` when there is none."""
    manifests = (store.home / "artifacts" / "promoted_policy").glob(f"*/{MANIFEST}")
    known = [(json.loads(file.read_text(encoding="utf-8")), file.parent) for file in manifests]
    if not known:
        raise FcAssetsError(f"There is no release below {store.home}: materialise promoted_policy first")
    manifest, folder = max(known, key=lambda each: each[0]["created"])
    return ReleaseFiles(manifest["digest"], store.open("promoted_policy", manifest["digest"], folder).path)


def _up(stack: Stack, profile: Profile, store: ArtifactStore) -> Outcome:
    max_tokens = profile.evaluation.max_tokens
    serving = stack.state().serving
    if serving is None:
        return deploy.deploy(stack, latest_release(store), profile.server, max_tokens, _tell)
    store.open("promoted_policy", serving.release, Path(serving.folder))
    return deploy.restore(stack, max_tokens, _tell)


def _tell(text: str) -> None:
    print(f"  {text}", flush=True)


def _report(stack: Stack, outcome: Outcome) -> None:
    how = "serves now" if outcome.changed else "serves already"
    print(f"Release {outcome.release[:16]} {how} at {stack.url} as {stack.settings.served_name}.")
    print(f"The API key is in {stack.folder / 'secrets' / 'api_key'}.")


def _status(stack: Stack) -> int:
    """Print what serves; return 0 when it answers, 3 when nothing does (as an init script's status)."""
    state = stack.state()
    if state.serving is None:
        print("No release was ever deployed here.")
        return 3
    answers = state.wanted and deploy.answers(stack)
    condition = "answers" if answers else ("does not answer" if state.wanted else "was stopped on purpose")
    print(f"Release {state.serving.release} ({state.serving.colour}) {condition} at {stack.url}, since {state.since}.")
    if state.previous:
        print(f"Before it: {state.previous.release}; `rollback` brings it back.")
    return 0 if answers else 3


if __name__ == "__main__":
    raise SystemExit(main())
