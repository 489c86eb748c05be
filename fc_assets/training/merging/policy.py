"""A policy that was trained on the merged SFT model, published in both of its forms.

The checkpoint is ready to serve. The adapter beside it holds SFT and the training after it as one, so that the base
model and it give the policy: the adapter that was trained fits only the merged SFT model, which has no name elsewhere.
How a merge is proved is `merge`; whatever trained the policy is in its own folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fc_assets.calls.conversations import Turn
from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.names import ADAPTER_FOLDER, MODEL_FOLDER
from fc_assets.profiles import MergeSettings
from fc_assets.training.jobs import CheckpointSource, ComparedTurns, MergeResult
from fc_assets.training.merging.adapters import as_one_adapter, reload_published
from fc_assets.training.merging.comparison import ALL_COMPARED, compare, outputs
from fc_assets.training.merging.merge import device, merge_checkpoint, require_kept


@dataclass(frozen=True)
class Ancestors:
    """What a policy stands on: `model` is the checkpoint `base` with `sft_adapter` merged.

    The published adapter calls its base `base_source`.
    """

    model: Path
    base: Path
    base_source: CheckpointSource
    sft_adapter: Path


def publish_policy(
    trained: Path,
    of: Ancestors,
    out: Path,
    turns: Sequence[Turn],
    bounds: MergeSettings,
    log: Log,
    *,
    bf16: bool,
    compared: ComparedTurns = ALL_COMPARED,
) -> tuple[MergeResult, float]:
    """Save the policy in `out` as a checkpoint, in bf16 or fp32, and as one adapter of the base model.

    `trained` is the folder of the adapter that was trained on `of.model`. Returns how the checkpoint compares, and how
    far it is from the base with the published adapter in nats per token (KL). Raises `FcAssetsError` beyond `bounds`.
    One model is in memory at a time, as in `merge`.
    """
    from fc_assets.training.trainer import checkpoints

    merged, policy = merge_checkpoint(
        of.model, trained, out / MODEL_FOLDER, turns, bounds, log, bf16=bf16, compared=compared
    )
    base, tokenizer = checkpoints.load_checkpoint(of.base, bf16=False)
    adapters = [of.sft_adapter, trained]
    with_adapter = as_one_adapter(base.to(device()), adapters)
    checkpoints.save_adapter(with_adapter, of.base_source, out / ADAPTER_FOLDER)
    error = reload_published(with_adapter, out / ADAPTER_FOLDER, len(adapters), bounds.max_error)
    apart = compare(outputs(with_adapter, tokenizer, turns, compared), policy).kl
    log.info(
        f"base and published adapter are {apart:.3g} nats per token from the checkpoint; the adapter is the sum of the "
        f"{len(adapters)} that were trained up to {error:.3g}"
    )
    # Two merges were rounded on the way to the checkpoint, SFT's and this one; the adapter knows neither.
    require_kept("The base with the published adapter is not the policy", apart, 2 * bounds.max_rounding_kl)
    return merged, apart
