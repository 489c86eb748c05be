"""Prompts encoded as training does: `python -m fc_assets.evaluation.inference.parity_encoding_job JOB.json`.

A process of its own: importing transformers takes seconds, and a server that starts meanwhile hides them. Comparing the
ids with what the server builds is `parity`.
"""

from __future__ import annotations

from transformers import AutoTokenizer

from fc_assets.calls.conversations import read_turns
from fc_assets.calls.prompts import THINK_OFF
from fc_assets.evaluation.jobs import ParityEncodingJob, ParityEncodingResult
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.training.sequences import encode


def work(job: ParityEncodingJob, log: Log) -> ParityEncodingResult:
    """The first ids of each turn's training sequence."""
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    think_off = len(tokenizer(THINK_OFF, add_special_tokens=False).input_ids)
    wanted = set(job.ids)
    ids = {}
    for turn in read_turns(job.split):
        if turn.id in wanted:
            sequence = encode(tokenizer, turn)
            ids[turn.id] = tuple(sequence.input_ids[: sequence.completion_mask.count(0) + think_off])
    log.info(f"{len(ids)} prompts encoded as in training")
    return ParityEncodingResult(ids=ids)


if __name__ == "__main__":
    run_job(ParityEncodingJob, work)
