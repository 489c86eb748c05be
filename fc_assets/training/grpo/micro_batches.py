"""How many completions go through the model at once in training: as many as the token budget holds.

trl pads every completion of a step to the longest prompt and the longest completion of that step, so that a pass has
at most completions x (longest prompt + longest completion) tokens. What those take in memory does not belong here.
"""

from __future__ import annotations

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import GrpoSettings


def completions_per_step(settings: GrpoSettings) -> int:
    """Completions that one step of the optimizer learns from."""
    return settings.prompts_per_step * settings.generations


def completions_per_pass(settings: GrpoSettings, longest_prompt: int) -> int:
    """Completions in one forward and backward pass: the largest equal part of a step's that fits the budget.

    `longest_prompt` is in tokens, of the prompts that will be asked. Raises `FcAssetsError` when not even one
    completion fits `micro_batch_tokens`.
    """
    longest = longest_prompt + settings.max_completion
    if longest > settings.micro_batch_tokens:
        raise FcAssetsError(
            f"One completion can have {longest} tokens ({longest_prompt} of its prompt, grpo.max_completion = "
            f"{settings.max_completion}), more than grpo.micro_batch_tokens = {settings.micro_batch_tokens}; "
            "raise the latter or lower grpo.max_prompt"
        )
    completions = completions_per_step(settings)
    fitting = min(completions, settings.micro_batch_tokens // longest)
    return max(part for part in range(1, fitting + 1) if completions % part == 0)
