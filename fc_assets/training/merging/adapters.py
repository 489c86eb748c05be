"""A LoRA adapter merged into its base, two adapters made one, and the proof that nothing else came of it.

Used by the processes that make `merged_model` and `grpo_policy`, which load and save the models. Training does not
belong here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import Turn
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.training.sequences import encode

TURNS_COMPARED = 16
"""Training turns on which the logits of two models that should be one are compared."""


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
    adapted = logits(with_adapter, tokenizer, turns)
    with with_adapter.disable_adapter():
        effect = largest_difference(adapted, logits(with_adapter, tokenizer, turns))
    merged = with_adapter.merge_and_unload(safe_merge=True)
    difference = largest_difference(adapted, logits(merged, tokenizer, turns))
    log.info(
        f"largest logit difference over {len(adapted)} turns: {difference:.3g} (the adapter itself moves {effect:.3g})"
    )
    if not difference <= max_difference:
        raise FcAssetsError(
            f"The merged model is not the adapted one: logits differ by up to {difference:.3g} over {len(adapted)} "
            f"turns, {max_difference:.3g} is allowed; raise sft.max_merge_logit_difference or train in a wider type"
        )
    if effect == 0.0:
        raise FcAssetsError("The adapter changes no logit: it was not trained; look at the training log")
    return MergedAdapter(merged, difference, effect, len(adapted))


def as_one_adapter(base: Any, adapters: Sequence[Path]) -> Any:
    """`base` with one adapter that does what these do one after the other; its rank is the sum of theirs.

    Exact but for rounding: merging adds B A to each weight, and B1 A1 + B2 A2 is the product of the stacked matrices.
    Give a base in fp32: peft gives the new adapter the type of its base.
    """
    from peft import PeftModel

    names = [f"part{number}" for number in range(len(adapters))]
    model = PeftModel.from_pretrained(base, str(adapters[0]), adapter_name=names[0])
    for name, adapter in zip(names[1:], adapters[1:], strict=True):
        model.load_adapter(str(adapter), name)
    for name in names:  # each layer has its scale by now, and peft would scale the new adapter by it once more
        model.peft_config[name].use_rslora = False
    model.add_weighted_adapter(names, [1.0] * len(names), "default", combination_type="cat")
    return model


def require_same_model(
    with_adapter: Any, merged: Any, tokenizer: Any, turns: Sequence[Turn], max_difference: float, log: Log
) -> float:
    """The largest logit difference between a base that carries a published adapter and the model that was merged.

    Raises `FcAssetsError` when it is more than `max_difference`.
    """
    difference = largest_difference(logits(with_adapter, tokenizer, turns), logits(merged, tokenizer, turns))
    log.info(f"base and published adapter: logits differ by up to {difference:.3g} from those of the checkpoint")
    if not difference <= max_difference:
        raise FcAssetsError(
            f"The base with the published adapter is not the policy: logits differ by up to {difference:.3g}, "
            f"{max_difference:.3g} is allowed; raise sft.max_merge_logit_difference or train in a wider type"
        )
    return difference


def logits(model: Any, tokenizer: Any, turns: Sequence[Turn]) -> list[Any]:
    """The model's logits on the first `TURNS_COMPARED` of `turns`, each turn's as a tensor in fp32 on the CPU."""
    import torch

    model.eval()
    device = next(model.parameters()).device
    batches = [torch.tensor([encode(tokenizer, turn).input_ids], device=device) for turn in turns[:TURNS_COMPARED]]
    with torch.inference_mode():
        return [model(input_ids=ids).logits.float().cpu() for ids in batches]


def largest_difference(left: Sequence[Any], right: Sequence[Any]) -> float:
    """The largest absolute difference between two models' logits on the same turns."""
    return max(float((a - b).abs().max()) for a, b in zip(left, right, strict=True))
