"""Whether what a step needs fits a machine, and which settings would. What a step needs is `needs`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from fc_assets.foundation.gpu import Card
from fc_assets.foundation.planning.machine import Machine
from fc_assets.foundation.planning.needs import Need
from fc_assets.profiles.sections import Section

MIN_DRIVER = 580
"""The oldest NVIDIA driver with CUDA 13, which the wheels of torch and vLLM are built for."""

Settings = TypeVar("Settings", bound=Section)
Knob = Callable[[Settings], Iterator[Settings]]
"""The same settings with one thing changed, from the mildest change to the last that makes sense."""


def shortages(need: Need, machine: Machine) -> list[str]:
    """What the machine has too little of, a clause each; empty where the step fits.

    A card of which nothing is known is not counted.
    """
    found = []
    card = machine.card
    if need.gpu is not None and isinstance(card, Card):
        if int(card.driver.split(".")[0]) < MIN_DRIVER:
            found.append(f"it needs NVIDIA's driver {MIN_DRIVER} or newer (CUDA 13), and this one is {card.driver}")
        if need.gpu.total > card.free:
            found.append(
                f"it needs {gb(need.gpu.total)} of the card's memory and {gb(card.free)} are free ({card.name})"
            )
    if need.kv is not None and need.kv.held < need.kv.sequence:
        found.append(f"vLLM's KV cache would hold {need.kv.held} tokens, and one sequence may have {need.kv.sequence}")
    if need.ram.total > machine.ram:
        found.append(f"it needs {gb(need.ram.total)} of main memory and {gb(machine.ram)} are free")
    if need.disk > machine.disk:
        found.append(f"it needs {gb(need.disk)} of disk and {gb(machine.disk)} are free where the home lies")
    return found


def fitting(settings: Settings, knobs: Sequence[Knob[Settings]], fits: Callable[[Settings], bool]) -> Settings | None:
    """Settings that fit, with as few changes as the knobs allow; None where even their last values do not.

    The knobs are turned one after the other, each to its end where that is not enough; what turned out not to matter
    is then turned back.
    """
    tried = settings
    for knob in knobs:
        for candidate in knob(tried):
            tried = candidate
            if fits(tried):
                return _turned_back(settings, tried, fits)
    return None


def changes(settings: Section, changed: Section, section: str) -> list[str]:
    """The fields in which two versions of a section differ, as `section.field = value` each."""
    return [
        f"{section}.{name} = {str(value).lower() if isinstance(value, bool) else value}"
        for name, value in changed
        if value != getattr(settings, name)
    ]


def gb(size: int) -> str:
    """Bytes for people: 4.2 GB, 1 GB = 1e9 bytes."""
    return f"{size / 1e9:.1f} GB"


def _turned_back(settings: Settings, found: Settings, fits: Callable[[Settings], bool]) -> Settings:
    for name, value in settings:
        if value != getattr(found, name):
            without = found.model_copy(update={name: value})
            if fits(without):
                found = without
    return found
