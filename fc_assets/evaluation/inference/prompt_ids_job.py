"""The token ids that transformers would feed the model.

`python -m fc_assets.evaluation.inference.prompt_ids_job JOB.json`, a process of its own, since importing
transformers takes seconds. Comparing the ids with those of training is `parity`.
"""

from __future__ import annotations

from fc_assets.evaluation.inference.prompt_encoding import load_tokenizer, prompt_ids
from fc_assets.evaluation.jobs import PromptIdsJob, PromptIdsResult
from fc_assets.foundation.child_processes.jobs import Log, run_job


def work(job: PromptIdsJob, log: Log) -> PromptIdsResult:
    """Encode every question."""
    tokenizer = load_tokenizer(job.model)
    ids = tuple(tuple(prompt_ids(tokenizer, question)) for question in job.questions)
    log.info(f"{len(ids)} prompts encoded as for an answer")
    return PromptIdsResult(ids=ids)


if __name__ == "__main__":
    run_job(PromptIdsJob, work)
