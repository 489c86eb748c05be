"""Makes the merged model: `python -m fc_assets.training.merging.merge_job JOB.json`.

The checkpoint stands alone and is proved equal to the base that carries the adapter; how, is said in `merge`.
"""

from __future__ import annotations

from fc_assets.calls.conversations import read_turns
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.training.jobs import MergeJob, MergeResult
from fc_assets.training.merging.merge import merge_checkpoint
from fc_assets.training.trainer import running


def merge(job: MergeJob, log: Log) -> MergeResult:
    """Merge the adapter, save the checkpoint, and return the comparison."""
    running.use_physical_cores()
    turns = read_turns(job.train)
    result, _ = merge_checkpoint(
        job.model, job.adapter, job.out, turns, job.bounds, log, bf16=job.bf16, compared=job.compared
    )
    return result


if __name__ == "__main__":
    run_job(MergeJob, merge)
