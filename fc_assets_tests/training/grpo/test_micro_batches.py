"""A pass is bounded by tokens: as many completions of the longest kind as the budget holds, in equal parts."""

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import GrpoSettings, load_profile
from fc_assets.training.grpo.micro_batches import completions_per_pass

LONGEST_OF_XLAM = 1671
WEIGHTS_GB = 1.2
GB_A_TOKEN_SAVED = 3.35e-3
"""What Qwen3-0.6B keeps of one token for its backward pass where no layer is computed twice."""
GB_A_TOKEN_CHECKPOINTED = 0.3e-3
"""Two bytes x 1,024 at each of 28 layers, one layer computed anew, and a slice of logits; rounded up."""


def test_a_pass_is_the_largest_equal_part_that_fits() -> None:
    settings = GrpoSettings(prompts_per_step=8, generations=8, max_completion=256, micro_batch_tokens=8192)
    assert completions_per_pass(settings, 768) == 8, "8 x 1,024 tokens"
    assert completions_per_pass(settings, 769) == 4, "7 would fit, and 64 are not 7 equal parts"
    assert completions_per_pass(settings, 8192 - 256) == 1
    assert completions_per_pass(settings.model_copy(update={"micro_batch_tokens": 10**6}), 100) == 64


def test_a_budget_that_holds_no_completion_is_refused() -> None:
    settings = GrpoSettings(max_completion=256, micro_batch_tokens=1000)
    with pytest.raises(FcAssetsError, match=r"1001 tokens.*grpo\.micro_batch_tokens = 1000; raise"):
        completions_per_pass(settings, 745)


@pytest.mark.parametrize(("name", "card_gb"), [("gpu-12gb", 11.5), ("gpu-80gb", 78.0)])
def test_a_pass_fits_beside_vllm(name: str, card_gb: float) -> None:
    """Even where vLLM sleeps, so that a card on which it cannot is no surprise."""
    settings = load_profile(name).grpo
    longest = LONGEST_OF_XLAM + settings.max_completion
    tokens = completions_per_pass(settings, LONGEST_OF_XLAM) * longest
    each = GB_A_TOKEN_CHECKPOINTED if settings.gradient_checkpointing else GB_A_TOKEN_SAVED
    vllm_gb = settings.vllm_memory_share * (12 if name == "gpu-12gb" else 80) * 1.0737
    assert tokens * each + WEIGHTS_GB + 0.5 + vllm_gb < card_gb
