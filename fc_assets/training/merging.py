"""A LoRA adapter merged into its base, and the proof that the merged model is the adapted one.

Used by the processes that make `merged_model` and `grpo_policy`, which load and save the models. Training does not
belong here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.conversations import Turn
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.training.sequences import encode

TURNS_COMPARED = 16
"""Training turns on which the logits of the merged and of the adapted model are compared."""


@dataclass(frozen=True)
class MergedAdapter:
    """A stand-alone model, and how its logits compare.

    `max_logit_difference` is the largest absolute difference from the base that carries the adapter,
    `adapter_effect` that between the base with and without the adapter.
    """

    model: Any
    max_logit_difference: float
    adapter_effect: float
    turns_compared: int


def merge_adapter(
    with_adapter: Any, tokenizer: Any, turns: Sequence[Turn], max_difference: float, log: Log
) -> MergedAdapter:
    """Merge the adapter of a peft model and compare logits on the first `TURNS_COMPARED` of `turns`.

    Raises `FcAssetsError` when they differ by more than `max_difference`, or when the adapter changes none of them.
    """
    import torch

    with_adapter.eval()
    device = next(with_adapter.parameters()).device
    batches = [torch.tensor([encode(tokenizer, turn).input_ids], device=device) for turn in turns[:TURNS_COMPARED]]

    def logits(model: Any) -> list[Any]:
        with torch.inference_mode():
            return [model(input_ids=ids).logits.float().cpu() for ids in batches]

    def largest_difference(left: list[Any], right: list[Any]) -> float:
        return max(float((a - b).abs().max()) for a, b in zip(left, right, strict=True))

    adapted = logits(with_adapter)
    with with_adapter.disable_adapter():
        effect = largest_difference(adapted, logits(with_adapter))
    merged = with_adapter.merge_and_unload(safe_merge=True)
    difference = largest_difference(adapted, logits(merged))
    log.info(
        f"largest logit difference over {len(batches)} turns: {difference:.3g} (the adapter itself moves {effect:.3g})"
    )
    if not difference <= max_difference:
        raise FcAssetsError(
            f"The merged model is not the adapted one: logits differ by up to {difference:.3g} over {len(batches)} "
            f"turns, {max_difference:.3g} is allowed; raise sft.max_merge_logit_difference or train in a wider type"
        )
    if effect == 0.0:
        raise FcAssetsError("The adapter changes no logit: it was not trained; look at the training log")
    return MergedAdapter(merged, difference, effect, len(batches))
