"""A LoRA adapter folded into its base: `python -m fc_assets.training.merge_job JOB.json`.

The merged checkpoint stands alone and is proved equal: on validation prompts its logits are compared with those of the
base that carries the adapter. Training does not belong here.

Job: model (folder), adapter (folder), prompts (ShareGPT file), rows (how many of its turns are compared), bf16,
max_difference (largest allowed difference of logits), out (folder), result (path).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.jobs import Job, Log, run_child
from fc_assets.training.sequences import encode


@dataclass(frozen=True)
class Folded:
    """A stand-alone model, and how its logits compare: with the attached adapter, and with no adapter at all."""

    model: Any
    max_logit_difference: float
    adapter_effect: float
    turns_compared: int


def fold(with_adapter: Any, tokenizer: Any, turns: Sequence[Turn], max_difference: float, log: Log) -> Folded:
    """Merge a peft model's adapter and prove it on `turns`; raise `FcAssetsError` when the logits disagree."""
    import torch

    with_adapter.eval()
    device = next(with_adapter.parameters()).device
    batches = [torch.tensor([encode(tokenizer, turn).input_ids], device=device) for turn in turns]

    @torch.inference_mode()
    def logits(model: Any) -> list[Any]:
        return [model(input_ids=ids).logits.float().cpu() for ids in batches]

    def largest(left: list[Any], right: list[Any]) -> float:
        return max(float((a - b).abs().max()) for a, b in zip(left, right, strict=True))

    attached = logits(with_adapter)
    with with_adapter.disable_adapter():
        effect = largest(attached, logits(with_adapter))
    merged = with_adapter.merge_and_unload(safe_merge=True)
    difference = largest(attached, logits(merged))
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
    return Folded(merged, difference, effect, len(batches))


def merge(job: Job, log: Log) -> Mapping[str, Any]:
    """Fold the adapter, save the checkpoint, and return the comparison."""
    from peft import PeftModel

    from fc_assets.training import trainer_setup as setup

    setup.use_physical_cores()
    base, tokenizer = setup.load_checkpoint(job["model"], bf16=job["bf16"])
    turns = read_turns(Path(job["prompts"]))[: job["rows"]]
    folded = fold(PeftModel.from_pretrained(base, job["adapter"]), tokenizer, turns, job["max_difference"], log)
    folded.model.save_pretrained(job["out"], safe_serialization=True)
    tokenizer.save_pretrained(job["out"])
    return {
        "max_logit_difference": folded.max_logit_difference,
        "adapter_effect": folded.adapter_effect,
        "turns_compared": folded.turns_compared,
        "parameters": sum(parameter.numel() for parameter in folded.model.parameters()),
    }


if __name__ == "__main__":
    run_child(merge)
