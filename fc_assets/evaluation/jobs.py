"""What the evaluation asks of processes of its own, and what they return.

The work is in the modules that each job names; no model library is imported here. When a job is run is decided in
`inference`, `embedding` and `compare_variants`.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Protocol

from fc_assets.evaluation.answers import Answer, Question
from fc_assets.foundation.child_processes.jobs import Job, JobResult, Result


class RunJob(Protocol):
    """Do a job in a process of its own and return its result: `Runtime.run_job` for the step at hand."""

    def __call__(self, job: Job[Result], scratch: Path) -> Result: ...


class GenerateResult(JobResult):
    """One answer for each question, in the questions' order."""

    answers: tuple[Answer, ...]


class GenerateJob(Job[GenerateResult]):
    """Answer questions with the checkpoint in the folder `model`, greedily, with transformers.

    `folder` holds the answer log: what it has is not generated again. `batch_size` answers are generated together.
    """

    module: ClassVar[str] = "fc_assets.evaluation.inference.generate_job"

    model: Path
    device: str
    dtype: str
    max_model_len: int
    questions: tuple[Question, ...]
    folder: Path
    max_tokens: int
    batch_size: int


class PromptIdsResult(JobResult):
    """The token ids of each prompt, in the questions' order."""

    ids: tuple[tuple[int, ...], ...]


class PromptIdsJob(Job[PromptIdsResult]):
    """Encode questions as `GenerateJob` does before it answers them."""

    module: ClassVar[str] = "fc_assets.evaluation.inference.prompt_ids_job"

    model: Path
    questions: tuple[Question, ...]


class ParityEncodingResult(JobResult):
    """The first token ids of each turn's training sequence, by the turn's id: prompt and empty think block."""

    ids: dict[str, tuple[int, ...]]


class ParityEncodingJob(Job[ParityEncodingResult]):
    """Encode the turns `ids` of a ShareGPT split as training does, with the tokenizer in the folder `model`."""

    module: ClassVar[str] = "fc_assets.evaluation.inference.parity_encoding_job"

    model: Path
    split: Path
    ids: tuple[str, ...]


class EmbeddingResult(JobResult):
    """The cosine of each pair, in the pairs' order, each in [0, 1]."""

    cosines: tuple[float, ...]


class EmbeddingJob(Job[EmbeddingResult]):
    """Compare pairs of texts by a sentence-embedding model: a folder, or a hub name at `revision`."""

    module: ClassVar[str] = "fc_assets.evaluation.embedding.embedding_job"

    model: str
    revision: str
    pairs: tuple[tuple[str, str], ...]
