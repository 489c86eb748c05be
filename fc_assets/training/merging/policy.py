"""How a policy that was trained from the merged SFT model is published: as a checkpoint, and as an adapter of the base.

GRPO and DPO both end here. The merge and the comparisons themselves are `adapters`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fc_assets.calls.conversations import Turn
from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.names import ADAPTER_FOLDER, MODEL_FOLDER
from fc_assets.training.jobs import CheckpointSource
from fc_assets.training.merging.adapters import as_one_adapter, merge_adapter, require_same_model


class PolicyJob(Protocol):
    """What publishing asks of the job that trained the policy.

    `base` with `sft_adapter` merged is the model that was trained; `base_source` is what the adapter calls the base.
    Logits may differ by `max_difference` after each merge. `out` receives both forms of the policy.
    """

    @property
    def base(self) -> Path: ...
    @property
    def base_source(self) -> CheckpointSource: ...
    @property
    def sft_adapter(self) -> Path: ...
    @property
    def max_difference(self) -> float: ...
    @property
    def out(self) -> Path: ...


@dataclass(frozen=True)
class PublishedPolicy:
    """How the logits of a published policy compare.

    `max_logit_difference` and `adapter_effect` are those of the merge (`adapters.MergedAdapter`), `adapter_difference`
    is the largest absolute difference between the base with the published adapter and the checkpoint.
    """

    max_logit_difference: float
    adapter_effect: float
    adapter_difference: float


def publish_policy(
    job: PolicyJob, trained: Any, tokenizer: Any, turns: Sequence[Turn], log: Log, *, bf16: bool
) -> PublishedPolicy:
    """Save a peft model as a checkpoint that stands alone, and beside it SFT and its own training as one adapter.

    The adapter that was trained fits only the merged SFT model, which has no name elsewhere. Raises `FcAssetsError`
    when the logits of the two forms differ by more than `job.max_difference` allows on the first of `turns`.
    """
    _save_adapter(job, trained)
    merged = merge_adapter(trained, tokenizer, turns, job.max_difference, log)
    merged.model.save_pretrained(job.out / MODEL_FOLDER, safe_serialization=True)
    tokenizer.save_pretrained(job.out / MODEL_FOLDER)
    # Two merges were rounded on the way to the checkpoint, SFT's and this one; the adapter knows neither.
    adapter_difference = require_same_model(
        _as_published(job, bf16).to(merged.model.device), merged.model, tokenizer, turns, 2 * job.max_difference, log
    )
    return PublishedPolicy(merged.max_logit_difference, merged.adapter_effect, adapter_difference)


def _save_adapter(job: PolicyJob, trained: Any) -> None:
    """Save the SFT adapter and the trained one as one adapter of the base."""
    from fc_assets.training.trainer import checkpoints

    base, _ = checkpoints.load_checkpoint(job.base, bf16=False)
    with tempfile.TemporaryDirectory(prefix="fc-assets-adapter-") as folder:
        checkpoints.save_adapter(trained, job.base_source, Path(folder))
        one = as_one_adapter(base, [job.sft_adapter, Path(folder)])
    checkpoints.save_adapter(one, job.base_source, job.out / ADAPTER_FOLDER)


def _as_published(job: PolicyJob, bf16: bool) -> Any:
    """The base model with the adapter that was saved, as somebody who has only these two loads them."""
    from peft import PeftModel

    from fc_assets.training.trainer import checkpoints

    base, _ = checkpoints.load_checkpoint(job.base, bf16=bf16)
    return PeftModel.from_pretrained(base, str(job.out / ADAPTER_FOLDER))
