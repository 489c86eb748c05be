"""`fc-assets doctor` and `fc-assets gc`: is this machine fit for a profile, and what in its home may go?"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.text import Text

from fc_assets.deployment.targets.selection import target_of
from fc_assets.foundation.artifacts import ArtifactStore, default_home
from fc_assets.foundation.presentation.terminal import console, text_table
from fc_assets.maintenance.doctor import examine
from fc_assets.maintenance.findings import State
from fc_assets.maintenance.garbage import needed, remove, stored
from fc_assets.profiles import Profile, load_profile

_STYLES: dict[State, str] = {"ok": "green", "note": "yellow", "fault": "bold red"}
_KEPT_DAYS = 14
_MB = 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `doctor` (1 when something prevents the profile's run) or `gc` and return the exit status."""
    parser = argparse.ArgumentParser(prog="fc-assets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    doctor = commands.add_parser("doctor", help="what on this machine prevents which step, and what to do")
    gc = commands.add_parser("gc", help="list what nobody needs in the artefact home, or delete it")
    gc.add_argument("--delete", action="store_true", help="delete it; without this, nothing is changed")
    gc.add_argument("--days", type=_count, default=_KEPT_DAYS, help="keep all that is younger (default: %(default)s)")
    gc.add_argument("--releases", type=_count, help="keep only so many of the newest releases (default: all of them)")
    for command in (doctor, gc):
        command.add_argument("--profile", help="profile or path of a YAML file (default: $FC_PROFILE, else demo)")
    options = parser.parse_args(arguments)
    profile = load_profile(options.profile)
    if options.command == "doctor":
        return _doctor(profile)
    return _gc(profile, options.days, options.releases, delete=options.delete)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is less than 0")
    return number


def _doctor(profile: Profile) -> int:
    out, faults = console(), 0
    out.print(f"Profile {profile.name}")
    for finding in examine(profile, default_home(profile.name)):
        faults += finding.state == "fault"
        mark = Text(f"{finding.state:<6}", style=_STYLES[finding.state])
        out.print(mark, f"{finding.subject}: {finding.said}", soft_wrap=True)
    out.print(f"{faults} of these prevent{'s' * (faults == 1)} a step." if faults else "Nothing prevents a run.")
    return 1 if faults else 0


def _gc(profile: Profile, days: int, releases: int | None, *, delete: bool) -> int:
    out, store = console(), ArtifactStore(default_home(profile.name))
    artifacts = stored(store)
    state = target_of(store, profile).state()
    keep = needed(
        artifacts,
        since=datetime.now(UTC) - timedelta(days=days),
        releases=len(artifacts) if releases is None else releases,
        serving=[engine.release for engine in (state.serving, state.previous) if engine],
    )
    garbage = [each for each in artifacts if each.name not in keep]
    rows = [
        {
            "asset": asset,
            "kept": sum(each.asset == asset and each.name in keep for each in artifacts),
            "kept MB": sum(each.bytes for each in artifacts if each.asset == asset and each.name in keep) / _MB,
            "not needed": sum(each.asset == asset for each in garbage),
            "not needed MB": sum(each.bytes for each in garbage if each.asset == asset) / _MB,
        }
        for asset in sorted({each.asset for each in artifacts})
    ]
    if not rows:
        out.print(f"There is no artefact below {store.home}.")
        return 0
    out.print(text_table(rows, tuple(rows[0])))
    if delete:
        out.print(f"{remove(store, garbage) / _MB:.1f} MB were deleted below {store.home}.")
    elif garbage:
        out.print("Nothing was changed. `fc-assets gc --delete` deletes what is not needed.")
    else:
        out.print("All of it is needed.")
    return 0
