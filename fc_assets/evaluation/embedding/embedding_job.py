"""Cosines of pairs of texts, in a process of its own since sentence-transformers brings torch.

Run as `python -m fc_assets.evaluation.embedding.embedding_job JOB.json`. Which pairs are compared, and what the cosines
become, is `similarity`.
"""

from __future__ import annotations

from fc_assets.evaluation.embedding.similarity import embed
from fc_assets.evaluation.jobs import EmbeddingJob, EmbeddingResult
from fc_assets.foundation.child_processes.jobs import Log, run_job


def work(job: EmbeddingJob, log: Log) -> EmbeddingResult:
    """Embed and compare."""
    cosines = embed(job.model, job.revision, job.pairs)
    log.info(f"{len(cosines)} pairs of strings compared by {job.model}")
    return EmbeddingResult(cosines=tuple(cosines))


if __name__ == "__main__":
    run_job(EmbeddingJob, work)
