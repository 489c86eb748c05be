"""`python -m benchmarks.gpu_training --peak-tflops N`: how fast both GPU profiles train here, and what they take.

Each profile is rehearsed as it is: SFT, merge, GRPO with vLLM colocated, and one start of the server, on the real base
model with the longest rows. gpu-12gb runs under a cap of 12 GB on PyTorch's memory where the card is larger. Without a
card it says so, ends with status 1, and writes nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks._results import write_result
from fc_assets.foundation.gpu import Card, find_card
from fc_assets.foundation.planning.hours import training_operations
from fc_assets.foundation.planning.machine import this_machine
from fc_assets.foundation.planning.shape import QWEN3_0_6B
from fc_assets.profiles import Profile, load_profile
from fc_assets.rehearsal.stages import StageFigures, plan, rehearse

CAPS_GIB = {"gpu-12gb": 12, "gpu-80gb": 80}
_GIB = 2**30


def figures_of(name: str, card: Card, peak_flops: float) -> dict[str, float | None]:
    """Rehearse one profile under its cap. Raises SystemExit with what a stage said when it did not end."""
    profile = load_profile(name)
    share = min(1.0, CAPS_GIB[name] * _GIB / card.total)
    # vLLM's shares are of the whole card, the profile's of one with the cap's size.
    capped = profile.model_copy(
        update={
            "grpo": profile.grpo.model_copy(update={"vllm_memory_share": profile.grpo.vllm_memory_share * share}),
            "server": profile.server.model_copy(update={"gpu_memory_share": profile.server.gpu_memory_share * share}),
        }
    )
    found: dict[str, float | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        planned = plan(capped, this_machine(Path(folder)), 0)
        launcher = (sys.executable, "-m", "benchmarks._capped", f"{share:.4f}")
        for stage in rehearse(replace(planned, launcher=launcher), Path(folder)):
            if stage.failed:
                raise SystemExit(f"error: {name}, {stage.stage}: {stage.failed}")
            found |= {f"{name}_{key}": value for key, value in _figures(stage, profile, peak_flops).items()}
    return found


def _figures(stage: StageFigures, profile: Profile, peak_flops: float) -> dict[str, float | None]:
    label = stage.stage.lower()
    found = {f"{label}_peak_card_gb": stage.peak_card_gb, f"{label}_seconds": stage.seconds}
    if stage.tokens_per_s is None:
        return found
    settings = profile.sft if stage.stage == "SFT" else profile.grpo
    operations = training_operations(QWEN3_0_6B, checkpointing=settings.gradient_checkpointing)
    found[f"{label}_tokens_per_s"] = stage.tokens_per_s
    found[f"{label}_mfu"] = stage.tokens_per_s * operations / peak_flops
    if stage.stage == "GRPO":
        found["rollouts_per_s"] = stage.tokens_per_s / (profile.grpo.max_prompt + profile.grpo.max_completion)
    return found


def main() -> int:
    """Measure both profiles, those that the card has room for, and write `results/gpu_training.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--peak-tflops", type=float, required=True, help="the card's dense bf16 operations, 1e12 a second, by its maker"
    )
    options = parser.parse_args()
    card = find_card()
    if not isinstance(card, Card):
        why = card.reason if card else "this machine has none"
        print(f"error: gpu_training needs an NVIDIA card: {why}; nothing was measured or written", file=sys.stderr)
        return 1
    figures: dict[str, float | None] = {"card_gb": card.total / 1e9}
    for name, gib in CAPS_GIB.items():
        if card.total > gib * _GIB * 0.9:  # an 80 GB card has 79.6 GiB
            figures |= figures_of(name, card, options.peak_tflops * 1e12)
    write_result("gpu_training", figures, ["torch", "transformers", "trl", "peft", "vllm"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
