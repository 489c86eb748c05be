"""The job of the rehearsal room: what the stages work on, made in a process that may import model libraries."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from fc_assets.foundation.child_processes.jobs import Job, JobResult


class PreparedRows(JobResult):
    """Tokens of the rows that were made: the shortest and the longest of prompt and answer, and of prompts alone."""

    shortest_row: int
    longest_row: int
    longest_prompt: int


class PrepareJob(Job[PreparedRows]):
    """Write `rows` generated ShareGPT rows of about `row_tokens` into `train`, with prompts of at most `prompt_tokens`.

    With `layers`, a checkpoint of Qwen3-0.6B's shape with so many layers and random weights is written into `model`
    first, with the tokenizer of the embedded model; with 0, `model` is there already.
    """

    module: ClassVar[str] = "fc_assets.rehearsal.prepare_job"

    model: Path
    layers: int
    bf16: bool
    train: Path
    rows: int
    row_tokens: int
    prompt_tokens: int
    seed: int
