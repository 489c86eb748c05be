"""Writes the tables of docs/gpu.md anew, from the sums that preflight uses: `python -m scripts.write_gpu_page`.

A table stands between `<!-- table: NAME -->` and `<!-- /table -->`; what is around it is written by hand.
"""

from pathlib import Path

from fc_assets.foundation.gpu import Card
from fc_assets.foundation.planning.fit import MIN_DRIVER
from fc_assets.foundation.planning.hours import (
    XLAM_MEAN_TOKENS,
    grpo_hours,
    sft_hours,
    sft_tokens,
    training_operations,
)
from fc_assets.foundation.planning.machine import Machine
from fc_assets.foundation.planning.needs import grpo_need, sft_need
from fc_assets.foundation.planning.overview import ProfileNeeds, profile_needs
from fc_assets.foundation.planning.shape import QWEN3_0_6B
from fc_assets.foundation.planning.training_memory import MemorySum
from fc_assets.profiles import Profile, load_profile
from scripts.write_reference import code, renewed, table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "gpu.md"
GIB = 2**30
GB = 10**9
PROFILES = ("gpu-12gb", "gpu-80gb")
CARDS_GIB = (6, 8, 12, 16, 24, 48, 80)
FREE_SHARE = 0.98
"""Of an empty card: the driver keeps some."""
PLENTY = 10**13
SPEEDS = {"gpu-12gb": 1.2e13, "gpu-80gb": 1.2e14}
"""Operations a second that a card of this size is assumed to reach in training."""
SAMPLING_S = {"gpu-12gb": 5, "gpu-80gb": 6}
"""Seconds of a GRPO step that sampling and rewards are assumed to take."""


def main() -> None:
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), tables()), encoding="utf-8")


def tables() -> dict[str, str]:
    """Every table of the page by its name, as Markdown."""
    return {
        "fits": table(("profile", "card", "SFT", "merge", "GRPO", "server"), map(fit_row, *pairs())),
        "parts": table(("profile", "stage", "GB", "of it"), [row for name in PROFILES for row in part_rows(name)]),
        "needs": table(("profile", "stage", "main memory GB", "disk GB"), need_rows()),
        "hours": table(("profile", "stage", "tokens", "operations a token", "hours"), hour_rows()),
    }


def pairs() -> tuple[list[str], list[int]]:
    both = [(name, gib) for name in PROFILES for gib in CARDS_GIB]
    return [name for name, _ in both], [gib for _, gib in both]


def machine(gib: int) -> Machine:
    """An empty card of this size, with the oldest driver that will do, in a machine that has enough of all else."""
    size = gib * GIB
    return Machine(Card(f"{gib} GB", size, int(size * FREE_SHARE), str(MIN_DRIVER)), PLENTY, PLENTY)


def fit_row(name: str, gib: int) -> list[str]:
    needs = profile_needs(load_profile(name), QWEN3_0_6B, machine(gib))
    return [code(name), f"{gib} GB", *map(fit_cell, needs)]


def fit_cell(stage: ProfileNeeds) -> str:
    if stage.refused is None:
        return f"{stage.need.gpu.total / GB:.1f}" if stage.need.gpu else "no card"
    *_, advice = stage.refused.split("; ")
    return f"**no**: {advice}"


def part_rows(name: str) -> list[list[str]]:
    profile, card = load_profile(name), machine(int(name.removeprefix("gpu-").removesuffix("gb"))).card
    found = {"SFT": sft_need(QWEN3_0_6B, profile.sft, card), "GRPO": grpo_need(QWEN3_0_6B, profile.grpo, card)}
    return [
        [code(name), stage, f"{need.gpu.total / GB:.1f}", parts(need.gpu)]
        for stage, need in found.items()
        if need.gpu is not None
    ]


def parts(memory: MemorySum) -> str:
    return ", ".join(f"{part} {size / GB:.1f}" for part, size in memory.parts.items())


def need_rows() -> list[list[str]]:
    return [
        [code(name), stage.stage, f"{stage.need.ram.total / GB:.0f}", f"{stage.need.disk / GB:.1f}"]
        for name in PROFILES
        for stage in profile_needs(load_profile(name), QWEN3_0_6B, machine(80))
    ]


def hour_rows() -> list[list[str]]:
    return [row for name in PROFILES for row in _hours(name, load_profile(name))]


def _hours(name: str, profile: Profile) -> list[list[str]]:
    sft, grpo, speed = profile.sft, profile.grpo, SPEEDS[name]
    operations = training_operations(QWEN3_0_6B, checkpointing=sft.gradient_checkpointing)
    of_a_step = grpo.prompts_per_step * grpo.generations * (XLAM_MEAN_TOKENS + grpo.max_completion)
    again = training_operations(QWEN3_0_6B, checkpointing=grpo.gradient_checkpointing)
    with_scoring = again + training_operations(QWEN3_0_6B, checkpointing=False) / 2
    step_s = of_a_step * with_scoring / speed + SAMPLING_S[name]
    learnt, sampled = sft_tokens(profile), of_a_step * grpo.steps
    return [
        _hour_row(name, "SFT", learnt, operations, sft_hours(profile, speed / operations)),
        _hour_row(name, "GRPO", sampled, with_scoring, grpo_hours(profile, step_s)),
    ]


def _hour_row(name: str, stage: str, tokens: float, operations: float, hours: float) -> list[str]:
    return [code(name), stage, f"{tokens / 1e6:.0f} M", f"{operations / 1e9:.1f} G", f"{hours:.1f}"]


if __name__ == "__main__":
    main()
