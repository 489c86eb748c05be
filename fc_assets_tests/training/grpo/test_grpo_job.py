"""GRPO's settings that must fit each other; the job itself runs in `test_assets`."""

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.profiles import GrpoSettings
from fc_assets.training.grpo.grpo_job import completions_per_pass


def test_the_batch_must_divide() -> None:
    settings = GrpoSettings(prompts_per_step=8, generations=8, gradient_accumulation=8)
    assert completions_per_pass(settings) == 8
    with pytest.raises(FcAssetsError, match=r"grpo\.gradient_accumulation = 7"):
        completions_per_pass(settings.model_copy(update={"gradient_accumulation": 7}))
