"""Machines that are not there: what the sums say of a card is tested without one."""

from __future__ import annotations

from fc_assets.foundation.gpu import Card
from fc_assets.foundation.planning.machine import Machine

GIB = 2**30
GB = 10**9


def machine(
    card_gib: float | None = None, *, driver: str = "580.82.07", ram_gb: float = 32, disk_gb: float = 500
) -> Machine:
    """A machine with an empty card of this size, or without one."""
    card = None if card_gib is None else Card("Test card", int(card_gib * GIB), int(card_gib * GIB * 0.98), driver)
    return Machine(card, int(ram_gb * GB), int(disk_gb * GB))
