"""A LoRA adapter merged into its base and saved as a checkpoint, and the two proofs that nothing else came of it.

The merge is computed in fp32 and rounded once, when it is saved; both comparisons compute in fp32 too. They ask
different things, because rounding hides mistakes. Measured at Qwen3-0.6B's shape (28 layers of random weights; an
adapter of rank 32 on all linear layers that moves the weights by 0.9 % of their norm; 200 tokens), logits' differences
as a share of what the adapter changes (root mean squares), and KL divergence in nats per token, once for logits with
the spread of random weights (0.64) and once for logits five times as peaked:

| compared with base plus adapter | share | KL, spread 0.64 | KL, spread 3.2 |
| --- | --- | --- | --- |
| merged in fp32 | 0.00003 | below 1e-7 | below 1e-7 |
| merged and rounded to bf16 | 0.17 | 9.6e-6 | 2.4e-4 |
| merged with 0.9 of the scale | 0.10 | 3.2e-6 | 8.8e-5 |
| one of 28 layers not merged | 0.07 to 0.09 | 1.4e-6 to 2.7e-6 | 3.4e-5 to 7.2e-5 |
| the base without the adapter | 1 | 3.2e-4 | 8.7e-3 |

So in bf16 a merge that is right lies further off than one that is wrong, whatever is measured, while in fp32 three
orders of magnitude are between them. (With three times the adapter, rounding is 0.06 of its effect and a scale of 0.9
still 0.10. The largest difference of single logits, computed in bf16, is 0.3 by rounding alone.) Hence

- *is the merge right?* The merged model in fp32 against base plus adapter in fp32, as a share of the adapter's effect.
- *did saving keep it?* The checkpoint, loaded from its files as others do, against base plus adapter, in nats. That is
  the rounding and whatever was lost on the way into the files: a base of rotation, a tensor. The usual bound of 0.01 is
  40 times the rounding of peaked logits.

One model is in memory at a time: 2.4 GB in fp32 at Qwen3-0.6B's shape, 0.6 GB for the output matrix that the first one
leaves behind, 0.5 GB for everything else. The work is done on a GPU that has room for it, else on the CPU.
Loading and saving are `trainer.checkpoints`; training does not belong here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import Turn
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.profiles import MergeSettings
from fc_assets.training.jobs import ComparedTurns, MergeResult
from fc_assets.training.merging.comparison import ALL_COMPARED, Outputs, compare, outputs

_GPU_BYTES_NEEDED = 4 << 30
"""Free memory with which the work is done on the GPU."""


def merge_checkpoint(
    model: Path,
    adapter: Path,
    out: Path,
    turns: Sequence[Turn],
    bounds: MergeSettings,
    log: Log,
    *,
    bf16: bool,
    compared: ComparedTurns = ALL_COMPARED,
) -> tuple[MergeResult, Outputs]:
    """Merge `adapter` into the checkpoint in `model` and save it in `out`, in bf16 or fp32.

    Returns how it compares with base plus adapter on `compared` of `turns`, and what the saved checkpoint makes of
    them.
    Raises `FcAssetsError` when one of the comparisons is beyond `bounds`, or when the adapter changes nothing.
    """
    import torch
    from peft import PeftModel

    from fc_assets.training.trainer import checkpoints

    base, tokenizer = checkpoints.load_checkpoint(model, bf16=False)
    with_adapter = PeftModel.from_pretrained(base.to(device()), str(adapter))
    truth = outputs(with_adapter, tokenizer, turns, compared)
    with with_adapter.disable_adapter():
        effect = compare(truth, outputs(with_adapter, tokenizer, turns, compared))
    log.info(f"the adapter moves the distributions by {effect.kl:.3g} nats per token, over {truth.tokens} tokens")
    if effect.rms == 0.0:
        raise FcAssetsError("The adapter changes no logit: it was not trained; look at the training log")

    merged = with_adapter.merge_and_unload(safe_merge=True)
    error = compare(truth, outputs(merged, tokenizer, turns, compared)).rms / effect.rms
    log.info(f"merged, logits are off by {error:.3g} of that")
    if not error <= bounds.max_error:
        raise FcAssetsError(
            f"The merged model is not base plus adapter: its logits are off by {error:.3g} of what the adapter "
            f"changes, sft.merge.max_error allows {bounds.max_error:.3g}; computed in fp32 this is no rounding, so "
            "make the adapter anew from this base, and look for another version of peft"
        )
    parameters = checkpoints.count_parameters(merged)
    checkpoints.save_checkpoint(merged.to(torch.bfloat16) if bf16 else merged, model, out)
    del base, with_adapter, merged  # before the next one is loaded

    saved = outputs(checkpoints.load_checkpoint(out, bf16=False)[0].to(device()), tokenizer, turns, compared)
    kept = compare(truth, saved)
    log.info(
        f"saved, it is {kept.kl:.3g} nats per token from base plus adapter; {kept.top1_agreement:.2%} of the likeliest "
        "tokens are the same"
    )
    require_kept("The saved checkpoint is not base plus adapter", kept.kl, bounds.max_rounding_kl)
    result = MergeResult(
        merge_error=error,
        adapter_kl=effect.kl,
        rounding_kl=kept.kl,
        top1_agreement=kept.top1_agreement,
        turns_compared=min(len(turns), compared.turns),
        tokens_compared=truth.tokens,
        parameters=parameters,
    )
    return result, saved


def require_kept(complaint: str, kl: float, allowed: float) -> None:
    """Raise `FcAssetsError` when a divergence in nats per token is more than rounding may bring (or is NaN)."""
    if not kl <= allowed:
        raise FcAssetsError(
            f"{complaint}: their distributions are {kl:.3g} nats per token apart, {allowed:.3g} is allowed; "
            "save in fp32 (sft.bf16 and grpo.bf16 false), or raise sft.merge.max_rounding_kl if it is rounding"
        )


def device() -> Any:
    """The GPU if there is one with room for a model in fp32, else the CPU."""
    import torch

    room = torch.cuda.is_available() and torch.cuda.mem_get_info()[0] >= _GPU_BYTES_NEEDED
    return torch.device("cuda" if room else "cpu")
