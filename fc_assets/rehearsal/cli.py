"""Try a profile out on this machine: `fc-assets rehearse`, with --help. Leaves nothing behind."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from types import FrameType

from fc_assets.foundation.artifacts import default_home
from fc_assets.foundation.child_processes.processes import temporary_folder
from fc_assets.foundation.gpu import Card, UnknownCard
from fc_assets.foundation.planning.fit import gb
from fc_assets.foundation.planning.machine import Machine, this_machine
from fc_assets.foundation.planning.overview import ProfileNeeds, base_shape, profile_needs
from fc_assets.foundation.presentation.terminal import console, text_table
from fc_assets.profiles import Profile, load_profile
from fc_assets.rehearsal.shortened import COMPARED
from fc_assets.rehearsal.stages import Rehearsal, StageFigures, plan, rehearse

_COLUMNS = (
    "stage",
    "ended",
    "peak card GB",
    "card GB",
    "peak RAM GB",
    "seconds",
    "tokens/s",
    "hours of the whole run",
    "disk GB of the whole run",
)
_LAYERS = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command `rehearse`; returns 0 only where the real run fits and every stage ended."""
    parser = argparse.ArgumentParser(prog="fc-assets", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("rehearse", help="a few steps of every stage on this machine")
    command.add_argument("--profile", help="profile or path of a YAML file (default: $FC_PROFILE, else demo)")
    command.add_argument(
        "--layers", type=int, default=_LAYERS, help="layers of the stand-in where there is no card (default: 1)"
    )
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _leave)
    profile = load_profile(options.profile)
    machine = this_machine(default_home(profile.name))
    return rehearse_and_print(profile, machine, options.layers)


def _leave(number: int, _: FrameType | None) -> None:
    """End as an exception does, so that the temporary folder goes too: TERM alone would leave gigabytes behind."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would cut the clearing away short
    raise SystemExit(128 + number)


def rehearse_and_print(profile: Profile, machine: Machine, layers: int) -> int:
    """Compute what the real run needs, try every stage, print both, and return the exit status."""
    out, rehearsal = console(), plan(profile, machine, layers)
    out.print(f"Profile {profile.name} on {_described(machine)}.")
    computed = profile_needs(profile, base_shape(profile.base_model), machine)
    if rehearsal.shortened:
        out.print(
            f"There is no card: {layers} layers of Qwen3-0.6B's true shape with random weights and short rows are "
            f"tried on the CPU, trained in fp32, and merges compared on {COMPARED.turns} turns of {COMPARED.tokens} "
            "tokens, so that hours and a card's peaks are not measured."
        )
    elif refused := [need.refused for need in computed if need.refused]:
        out.print("The real run is refused; nothing was started.", *refused, sep="\n")
        return 1
    with temporary_folder("rehearsal") as folder:
        figures = []
        for stage in rehearse(rehearsal, folder):
            out.print(f"{stage.stage}: {stage.failed or f'ended after {stage.seconds:.0f} s'}")
            figures.append(stage)
    out.print(text_table([_row(stage, computed, machine, rehearsal) for stage in figures], _COLUMNS))
    return 1 if any(stage.failed for stage in figures) else 0


def _row(
    stage: StageFigures, computed: Sequence[ProfileNeeds], machine: Machine, rehearsal: Rehearsal
) -> dict[str, object]:
    (need,) = (need for need in computed if need.stage == stage.stage)
    return {
        "stage": stage.stage,
        "ended": "no" if stage.failed else "yes",
        "peak card GB": stage.peak_card_gb,
        "card GB": machine.card.total / 1e9 if isinstance(machine.card, Card) else None,
        "peak RAM GB": stage.peak_ram_gb,
        "seconds": stage.seconds,
        "tokens/s": stage.tokens_per_s,
        "hours of the whole run": stage.hours,
        "disk GB of the whole run": need.need.disk / 1e9,
    }


def _described(machine: Machine) -> str:
    if isinstance(machine.card, UnknownCard):
        card = f"a card of which the memory is not known ({machine.card.reason})"
    else:
        card = f"{machine.card.name}, {gb(machine.card.free)} free" if machine.card else "no card"
    return f"{card}, {gb(machine.ram)} of main memory and {gb(machine.disk)} of disk free"
