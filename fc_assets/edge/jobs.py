"""The jobs of the edge room: what each process is asked, and what it returns.

How a job reaches its process is `foundation.child_processes.jobs`; the work is in the modules that the jobs name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from fc_assets.edge.gguf_files import GgufFile, GgufType
from fc_assets.foundation.child_processes.jobs import Job, JobResult


class ConvertResult(JobResult):
    """The files that were written, and the version of ggml that packed them. It is the report of `gguf_artifacts`."""

    files: list[GgufFile]
    ggml: str


class ConvertJob(Job[ConvertResult]):
    """Write the Qwen3 checkpoint in the folder `checkpoint` into the folder `out`, a GGUF file for each of `kinds`.

    `name` is the model's name and `source_digest` that of the release, both kept in the files' metadata; `context` is
    the number of tokens that the Modelfile and the README suggest.
    """

    module: ClassVar[str] = "fc_assets.edge.conversion.convert_job"

    checkpoint: Path
    out: Path
    kinds: list[GgufType]
    name: str
    source_digest: str
    context: int


class RenderedPrompt(BaseModel):
    """One turn as every file is asked it. `ids` are the prompt's tokens by the checkpoint's own tokenizer."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    id: str
    prompt: str
    ids: list[int]
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]


class RenderPromptsResult(JobResult):
    """The prompts, and how many turns were left out because prompt and answer do not fit into the context."""

    prompts: list[RenderedPrompt]
    too_long: int


class RenderPromptsJob(Job[RenderPromptsResult]):
    """Render the first `rows` turns of the ShareGPT file `split` that fit into `context` tokens with their answer.

    `tokenizer` is a folder with tokenizer and chat template; an answer may take `max_tokens`.
    """

    module: ClassVar[str] = "fc_assets.edge.measurement.render_prompts_job"

    tokenizer: Path
    split: Path
    rows: int
    context: int
    max_tokens: int


class Completion(BaseModel):
    """What llama.cpp wrote after a prompt. Seconds are wall time, counted from the request."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    text: str
    prompt_tokens: int
    output_tokens: int
    first_token_s: float
    seconds: float
    finish_reason: str


class EdgeAnswer(Completion):
    """One file's answer to the prompt with this `id`.

    `same_ids`: llama.cpp cuts the prompt into the ids of the checkpoint's tokenizer. `same_prompt`: llama.cpp renders
    the same prompt itself from the template in the file. `constrained` is the text of the answer whose calls llama.cpp
    holds to the tools' schemas by a grammar.
    """

    id: str
    same_ids: bool
    same_prompt: bool
    constrained: str


class Place(BaseModel):
    """A place in an answer to the prompt `id`: `ids` are the tokens before it, the prompt's included."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    id: str
    ids: list[int]


class FileMeasurement(JobResult):
    """What one file cost and answered.

    `load_s` is the time until the model is ready and warm; `peak_rss_mb` is the process's, in MB of 10^6 bytes.
    `places` are those at which it was asked for the next token, `next_tokens` what it gave there: the probabilities of
    its likeliest tokens by id.
    """

    load_s: float
    peak_rss_mb: float
    answers: list[EdgeAnswer]
    places: list[Place] = Field(default_factory=list)
    next_tokens: list[dict[int, float]] = Field(default_factory=list)


class MeasureFileJob(Job[FileMeasurement]):
    """Load the GGUF file `model` with llama.cpp and ask it every prompt, at most `max_tokens` an answer.

    Then ask it for the next token at `places`: those of the file that it is compared with, or, where they are None, at
    `compared_tokens` places of its own answers.
    """

    module: ClassVar[str] = "fc_assets.edge.measurement.measure_file_job"

    model: Path
    prompts: list[RenderedPrompt]
    context: int
    threads: int
    max_tokens: int
    compared_tokens: int
    places: list[Place] | None = None
