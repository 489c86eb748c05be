"""Before a step reads any data: does it fit this machine? It is refused here, in seconds, and not after hours.

The refusal names what is needed, what there is, and settings that do fit. Where nothing can be found out about the card
(MIG, vGPU, no driver library), a warning says what could not be checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.foundation.gpu import UnknownCard
from fc_assets.foundation.planning.fit import Knob, Settings, changes, fitting, gb, shortages
from fc_assets.foundation.planning.knobs import grpo_knobs, server_knobs, sft_knobs
from fc_assets.foundation.planning.machine import Machine
from fc_assets.foundation.planning.needs import AnyCard, Need, grpo_need, merge_need, server_need, sft_need
from fc_assets.foundation.planning.shape import ModelShape, read_shape
from fc_assets.profiles import GrpoSettings, ServerSettings, SftSettings

NeedOf = Callable[[ModelShape, Settings, AnyCard], Need]


def require_sft(model: Path, settings: SftSettings, machine: Machine, log: Log) -> None:
    """Raises `FcAssetsError` when supervised fine-tuning of the checkpoint `model` does not fit `machine`."""
    _require("SFT", "sft", read_shape(model), settings, sft_need, sft_knobs(), machine, log)


def require_merge(model: Path, settings: SftSettings, machine: Machine, log: Log) -> None:
    """Raises `FcAssetsError` when merging an adapter into the checkpoint `model` does not fit `machine`."""
    _require("Merging", "sft", read_shape(model), settings, merge_need, (), machine, log)


def require_grpo(model: Path, settings: GrpoSettings, machine: Machine, log: Log) -> None:
    """Raises `FcAssetsError` when GRPO of the checkpoint `model` does not fit `machine`."""
    shape = read_shape(model)
    _require("GRPO", "grpo", shape, settings, grpo_need, grpo_knobs(shape, machine), machine, log)


def server_refusal(model: Path, settings: ServerSettings, machine: Machine) -> str | None:
    """Why a vLLM server for the checkpoint `model` does not fit `machine`, as one sentence; None where it fits.

    Raises `FcAssetsError` when the checkpoint's shape cannot be read.
    """
    shape, stage = read_shape(model), "The vLLM server"
    return refusal(stage, "server", shape, settings, server_need, server_knobs(shape, machine), machine)


def refusal(
    stage: str,
    section: str,
    shape: ModelShape,
    settings: Settings,
    need_of: NeedOf[Settings],
    knobs: Sequence[Knob[Settings]],
    machine: Machine,
) -> str | None:
    """Why the stage does not fit, and what to do, as one sentence; None where it fits."""

    def too_little(tried: Settings) -> list[str]:
        return shortages(need_of(shape, tried, machine.card), machine)

    found = too_little(settings)
    if not found:
        return None
    smaller = fitting(settings, knobs, lambda tried: not too_little(tried))
    advice = (
        f"with {' and '.join(changes(settings, smaller, section))} it fits"
        if smaller is not None
        else "free what is taken, or use a larger machine: no smaller settings fit"
    )
    return f"{stage} does not fit this machine: {'; '.join(found)}; {advice}"


def _require(
    stage: str,
    section: str,
    shape: ModelShape,
    settings: Settings,
    need_of: NeedOf[Settings],
    knobs: Sequence[Knob[Settings]],
    machine: Machine,
    log: Log,
) -> None:
    if said := refusal(stage, section, shape, settings, need_of, knobs, machine):
        raise FcAssetsError(said)
    need = need_of(shape, settings, machine.card)
    if need.gpu is not None and isinstance(machine.card, UnknownCard):
        log.warning(
            f"{stage} needs about {gb(need.gpu.total)} of the card's memory, and nobody checked that it is there: "
            f"{machine.card.reason}"
        )
    elif need.gpu is not None:
        log.info(f"{stage} needs about {gb(need.gpu.total)} of the card's memory, {gb(need.ram.total)} of main memory")
