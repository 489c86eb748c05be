"""How long a profile's training takes: arithmetic from tokens, operations and a speed, measured or assumed."""

from __future__ import annotations

from fc_assets.foundation.planning.shape import ModelShape
from fc_assets.profiles import Profile

XLAM_TRAINING_ROWS = 54_000
"""Rows of xLAM-60k in the training split."""
XLAM_MEAN_TOKENS = 586
"""Mean tokens of its rows with Qwen3's tokenizer."""
_SECONDS = 3600


def sft_tokens(profile: Profile) -> float:
    """Tokens that SFT goes through in all: of xLAM's rows, or of the generated ones that the profile asks for."""
    settings = profile.sft
    if settings.max_steps > 0:
        rows: float = settings.max_steps * settings.rows_per_step
    else:
        rows = settings.epochs * (profile.data.rows or XLAM_TRAINING_ROWS)
    return rows * min(XLAM_MEAN_TOKENS, settings.max_length)


def sft_hours(profile: Profile, tokens_per_s: float) -> float:
    """Hours of SFT at a speed in tokens a second."""
    return sft_tokens(profile) / tokens_per_s / _SECONDS


def grpo_hours(profile: Profile, step_s: float) -> float:
    """Hours of GRPO at so many seconds a step, at most where those were measured with the longest prompts."""
    return profile.grpo.steps * step_s / _SECONDS


def training_operations(shape: ModelShape, *, checkpointing: bool) -> float:
    """Floating-point operations for one token of LoRA training.

    Two for each weight and pass (Kaplan et al. 2020, https://arxiv.org/abs/2001.08361, section 2.1): forward, backward
    to the inputs, and forward again with checkpointing; frozen weights need no gradient of their own. The output layer
    counts, the embedding does not multiply.
    """
    weights = shape.layers * shape.layer_parameters + shape.vocabulary * shape.hidden
    return 2.0 * weights * (3 if checkpointing else 2)
