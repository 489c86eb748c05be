"""All stages of a profile at once: what each needs, and whether this machine has it. One stage is `preflight`'s."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fc_assets.foundation.planning.knobs import grpo_knobs, server_knobs, sft_knobs
from fc_assets.foundation.planning.machine import Machine
from fc_assets.foundation.planning.needs import Need, grpo_need, merge_need, server_need, sft_need
from fc_assets.foundation.planning.preflight import refusal
from fc_assets.foundation.planning.shape import QWEN3_0_6B, ModelShape, read_shape
from fc_assets.profiles import EMBEDDED, BaseModelSettings, Profile


@dataclass(frozen=True)
class ProfileNeeds:
    """What a stage needs, and the sentence with which it would be refused; None where it fits."""

    stage: str
    need: Need
    refused: str | None


def base_shape(base_model: BaseModelSettings) -> ModelShape:
    """The base model's shape where its configuration is on this machine, else Qwen3-0.6B's.

    Raises `FcAssetsError` where the folder has no configuration that describes a shape.
    """
    if base_model.source == "hub":
        return QWEN3_0_6B
    return read_shape(EMBEDDED if base_model.source == "embedded" else Path(base_model.path))


def profile_needs(profile: Profile, shape: ModelShape, machine: Machine) -> list[ProfileNeeds]:
    """SFT, merge, GRPO and server of a profile, in this order."""
    sft, grpo, server, card = profile.sft, profile.grpo, profile.server, machine.card
    return [
        ProfileNeeds(
            "SFT", sft_need(shape, sft, card), refusal("SFT", "sft", shape, sft, sft_need, sft_knobs(), machine)
        ),
        ProfileNeeds(
            "merge", merge_need(shape, sft, card), refusal("Merging", "sft", shape, sft, merge_need, (), machine)
        ),
        ProfileNeeds(
            "GRPO",
            grpo_need(shape, grpo, card),
            refusal("GRPO", "grpo", shape, grpo, grpo_need, grpo_knobs(shape, machine), machine),
        ),
        ProfileNeeds(
            "server",
            server_need(shape, server, card),
            refusal("The vLLM server", "server", shape, server, server_need, server_knobs(shape, machine), machine),
        ),
    ]
