"""`fc-assets doctor` and `fc-assets gc`: is this machine fit for a profile, and what in its home may go?"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.text import Text

from fc_assets.deployment.targets.selection import target_of
from fc_assets.foundation.artifacts import ArtifactStore, default_home
from fc_assets.foundation.presentation.terminal import console, text_table
from fc_assets.maintenance.doctor import examine
from fc_assets.maintenance.findings import State
from fc_assets.maintenance.garbage import needed, remove, stored
from fc_assets.maintenance.old_runs import delete_runs, instance_in_use, old_runs
from fc_assets.profiles import Profile, load_profile

_STYLES: dict[State, str] = {"ok": "green", "note": "yellow", "fault": "bold red"}
_KEPT_DAYS = 14
_RUN_DAYS = 90
_MB = 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `doctor` (1 when something prevents the profile's run) or `gc` and return the exit status."""
    parser = argparse.ArgumentParser(prog="fc-assets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    doctor = commands.add_parser("doctor", help="what on this machine prevents which step, and what to do")
    gc = commands.add_parser("gc", help="list what nobody needs in the artefact home, or delete it")
    gc.add_argument("--delete", action="store_true", help="delete it; without this, nothing is changed")
    gc.add_argument("--days", type=_count, default=_KEPT_DAYS, help="keep all that is younger (default: %(default)s)")
    gc.add_argument(
        "--run-days",
        type=_count,
        default=_RUN_DAYS,
        help="keep Dagster's runs that ended so many days ago, and those that made what is kept (default: %(default)s)",
    )
    gc.add_argument("--releases", type=_count, help="keep only so many of the newest releases (default: all of them)")
    for command in (doctor, gc):
        command.add_argument("--profile", help="profile or path of a YAML file (default: $FC_PROFILE, else demo)")
    options = parser.parse_args(arguments)
    profile = load_profile(options.profile)
    if options.command == "doctor":
        return _doctor(profile)
    return _gc(profile, options.days, options.releases, options.run_days, delete=options.delete)


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


def _gc(profile: Profile, days: int, releases: int | None, run_days: int, *, delete: bool) -> int:
    out, store = console(), ArtifactStore(default_home(profile.name))
    _gc_runs(out, store, run_days, _gc_artifacts(out, store, profile, days, releases, delete), delete)
    return 0


def _gc_artifacts(
    out: Console, store: ArtifactStore, profile: Profile, days: int, releases: int | None, delete: bool
) -> set[str]:
    """Print what nobody needs, delete it if told to, and return the digests of what is kept."""
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
        return set()
    out.print(text_table(rows, tuple(rows[0])))
    if delete:
        out.print(f"{remove(store, garbage) / _MB:.1f} MB were deleted below {store.home}.")
    elif garbage:
        out.print("Nothing was changed. `fc-assets gc --delete` deletes what is not needed.")
    else:
        out.print("All of it is needed.")
    return {digest for _, digest in keep}


def _gc_runs(out: Console, store: ArtifactStore, days: int, kept: set[str], delete: bool) -> None:
    if not os.environ.get("DAGSTER_HOME"):
        out.print("DAGSTER_HOME is not set: the runs that Dagster keeps were not looked at.")
        return
    with instance_in_use() as instance:
        runs = old_runs(instance, store.home, before=datetime.now(UTC) - timedelta(days=days), kept=kept)
        size = sum(run.bytes for run in runs) / _MB
        if delete:
            delete_runs(instance, runs)
    done = "were deleted" if delete else "are not needed"
    out.print(f"{len(runs)} runs of Dagster older than {days} days ({size:.1f} MB of events and logs) {done}.")
