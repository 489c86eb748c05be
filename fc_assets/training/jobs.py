"""The jobs of the training room: what each process is asked to do, and what it reports.

Of what a trainer returns, the report becomes its artefact's `report.json` and must be the same when the same work is
done again; what the run took is recorded beside it. Folders named here exist on this machine only, so none of them is
in a result. How a job reaches its process is `foundation.child_processes.jobs`; the work is in the `_job` module that
each class names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from fc_assets.foundation.child_processes.jobs import Job, JobResult
from fc_assets.profiles import BaseModelSettings, GrpoSettings, MergeSettings, SftSettings
from fc_assets.training.checkpoint import CheckpointFacts

LogRecord = dict[str, int | float]
"""What trl logs at one step: `step`, `loss` and so on by their names."""


class CheckpointSource(JobResult):
    """Where a checkpoint came from: its name, the hub's commit (empty for another source), and `base_model.source`."""

    name: str
    revision: str
    source: str


class BaseModelResult(CheckpointFacts, CheckpointSource):
    """The base model: where it came from, and what it is."""


class BaseModelJob(Job[BaseModelResult]):
    """Copy the checkpoint that `settings` names into `out`."""

    module: ClassVar[str] = "fc_assets.training.base_model_job"

    settings: BaseModelSettings
    out: Path


class TrainingCost(JobResult):
    """What a training run took on its machine.

    `seconds` is the time of the training loop alone, in this attempt; `step_seconds` that of each logged step, where
    trl measures it (in GRPO). Memory is the peak of the trainer's process in MB (1e6 bytes); `peak_gpu_mb` is left out
    where there is no GPU.
    """

    host: str
    seconds: float
    step_seconds: list[float]
    peak_rss_mb: float
    peak_gpu_mb: float | None = Field(None, exclude_if=lambda peak: peak is None)

    @property
    def peaks(self) -> dict[str, float]:
        """Peak memory as an asset's page shows it: that of the GPU only where there is one."""
        peaks = {"peak_rss_mb": self.peak_rss_mb, "peak_gpu_mb": self.peak_gpu_mb}
        return {name: peak for name, peak in peaks.items() if peak is not None}


class TrainingResult(JobResult):
    """What both trainers report. `log` holds a record for each logged step, without times."""

    log: list[LogRecord]
    steps: int
    trainable_parameters: int
    parameters: int


@dataclass(frozen=True)
class LearntSpan:
    """The text of the turn `row` on which there is a loss."""

    row: str
    text: str


class SftResult(TrainingResult):
    """The report of an SFT run.

    `validation` has a record for each validation: `step`, `epoch`, and of the `held_out` turns `loss`,
    `mean_token_accuracy`, `parse_rate` and `exact_match`; it is empty, and `best_step` None, where none is held out.
    The adapter is that of `best_step`, else that of the last step. `overlong` are the ids of turns that do not fit;
    token counts are those of the learnt `turns`, and `learnt_spans` are the first of them.
    """

    validation: list[LogRecord]
    best_step: int | None
    final_loss: float
    token_accuracy: float
    turns: int
    held_out: int
    overlong: list[str]
    tokens_mean: float
    tokens_max: int
    learnt_spans: list[LearntSpan]


class SftRun(JobResult):
    """What the SFT process returns."""

    report: SftResult
    cost: TrainingCost


class SftJob(Job[SftRun]):
    """Train an adapter for the checkpoint in `model` on the ShareGPT file `train`, and save it in `out`.

    `base_source` is what the adapter calls its base. `checkpoints` survives a kill, so that the next attempt resumes.
    `events` and `trackers` are where the figures go: see `trainer.tracking`.
    """

    module: ClassVar[str] = "fc_assets.training.sft.sft_job"

    model: Path
    base_source: CheckpointSource
    train: Path
    settings: SftSettings
    out: Path
    checkpoints: Path
    events: Path
    trackers: tuple[str, ...]


@dataclass(frozen=True)
class ComparedTurns:
    """On what two models that should be one are compared: the first turns, and of each the first tokens."""

    turns: int = 16
    tokens: int = 2048


class MergeResult(JobResult):
    """How a merged model compares with its base that carries the adapter, over `tokens_compared` tokens.

    `merge_error` is how far the logits of the merge in fp32 are off, as a share of what the adapter changes (root mean
    squares). `adapter_kl` is how far the adapter moves the base's distributions, `rounding_kl` how far the saved
    checkpoint is from base plus adapter, both KL divergences in nats per token; `top1_agreement` is the share of tokens
    for which those two find the same next token likeliest.
    """

    merge_error: float
    adapter_kl: float
    rounding_kl: float
    top1_agreement: float
    turns_compared: int
    tokens_compared: int
    parameters: int


class MergeJob(Job[MergeResult]):
    """Merge `adapter` into the checkpoint in `model` and save the result in `out`, in bf16 or fp32.

    Distributions are compared on `compared` of the ShareGPT file `train`, within `bounds`.
    """

    module: ClassVar[str] = "fc_assets.training.merging.merge_job"

    model: Path
    adapter: Path
    train: Path
    bf16: bool
    bounds: MergeSettings
    out: Path
    compared: ComparedTurns = ComparedTurns()


@dataclass(frozen=True)
class SampledCompletion:
    """A completion that GRPO sampled for the turn `row`, and its weighted reward."""

    row: str
    completion: str
    reward: float


class GrpoResult(TrainingResult):
    """The report of a GRPO run.

    `prompts` counts those drawn, out of `turns` that could be; `overlong` are the ids of turns whose prompt does not
    fit, `capped` of those that fit and cannot earn the full reward. `candidates` turns were
    sampled before training, `without_signal` of them left out. Over all steps, `clipped_share` of the completions
    were cut at the limit and `no_signal_share` of the groups earned one and the same reward. `probe` holds how
    held-out turns were answered from step 0 on. `merge` is about the trained adapter and the policy's
    checkpoint. `adapter_rounding_kl` is how far that checkpoint is from the base with the published adapter, a KL
    divergence in nats per token.
    """

    prompts: int
    turns: int
    overlong: list[str]
    capped: list[str]
    candidates: int
    without_signal: int
    clipped_share: float
    no_signal_share: float
    probe: list[LogRecord]
    first_samples: list[SampledCompletion]
    last_samples: list[SampledCompletion]
    merge: MergeResult
    adapter_rounding_kl: float


class GrpoRun(JobResult):
    """What the GRPO process returns."""

    report: GrpoResult
    cost: TrainingCost


class GrpoJob(Job[GrpoRun]):
    """Optimise the checkpoint in `model` on the ShareGPT file `train`; `out` receives the policy and its adapter.

    `model` is the checkpoint `base` with `sft_adapter` merged. The adapter in `out` is both, SFT and GRPO, and is one
    for the base, which it calls `base_source`. Both are compared with what was trained, on `compared` of the turns that
    were asked, within `bounds`. `checkpoints` survives a kill, so that the next attempt resumes. `events` and
    `trackers` are where the figures go.
    """

    module: ClassVar[str] = "fc_assets.training.grpo.grpo_job"

    model: Path
    base: Path
    base_source: CheckpointSource
    sft_adapter: Path
    train: Path
    settings: GrpoSettings
    bounds: MergeSettings
    out: Path
    checkpoints: Path
    events: Path
    trackers: tuple[str, ...]
    compared: ComparedTurns = ComparedTurns()
