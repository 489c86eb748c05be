"""Makes the merged model: `python -m fc_assets.training.merging.merge_job JOB.json`.

The checkpoint stands alone and is proved equal: on training prompts its logits are compared with those of the base
that carries the adapter. The merge itself and the comparison are `merging`.
"""

from __future__ import annotations

from peft import PeftModel

from fc_assets.calls.conversations import read_turns
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.training.jobs import MergeJob, MergeResult
from fc_assets.training.merging.adapters import merge_adapter
from fc_assets.training.trainer import checkpoints, running


def merge(job: MergeJob, log: Log) -> MergeResult:
    """Merge the adapter, save the checkpoint, and return the comparison."""
    running.use_physical_cores()
    base, tokenizer = checkpoints.load_checkpoint(job.model, bf16=job.bf16)
    with_adapter = PeftModel.from_pretrained(base, str(job.adapter))
    merged = merge_adapter(with_adapter, tokenizer, read_turns(job.train), job.max_difference, log)
    merged.model.save_pretrained(job.out, safe_serialization=True)
    tokenizer.save_pretrained(job.out)
    return MergeResult(
        max_logit_difference=merged.max_logit_difference,
        adapter_effect=merged.adapter_effect,
        turns_compared=merged.turns_compared,
        parameters=checkpoints.count_parameters(merged.model),
    )


if __name__ == "__main__":
    run_job(MergeJob, merge)
