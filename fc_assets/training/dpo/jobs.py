"""The jobs of the DPO arm: pairs of completions from the merged model, and the training on them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from fc_assets.foundation.child_processes.jobs import Job, JobResult
from fc_assets.profiles import DpoSettings, MergeSettings, RewardWeights
from fc_assets.profiles.sections import Section
from fc_assets.training.jobs import CheckpointSource, MergeResult, TrainingCost, TrainingResult


class DpoRecipe(Section):
    """All settings that make `dpo_policy`: its own section, and the weights of the reward signals."""

    settings: DpoSettings
    rewards: RewardWeights


class PairCounts(JobResult):
    """What became of the sampled groups.

    `prompts` groups were sampled of `completions` completions in all, of which `cut` reached the limit of tokens and
    take no part. `alike` groups have no two completions that differ by `dpo.min_margin`, and give no pair; `unfit` are
    the ids of turns whose prompt or pair does not fit `dpo.max_length`. Of the `pairs`, `expected_as_best` have the
    row's expected answer as the better one, and `without_call` expect no call. `capped` are the ids of turns that
    cannot earn the full reward, which are not asked. The rewards are means over the pairs.
    """

    prompts: int
    completions: int
    cut: int
    alike: int
    pairs: int
    expected_as_best: int
    without_call: int
    best_reward: float
    worst_reward: float
    unfit: list[str]
    capped: list[str]


class PairsJob(Job[PairCounts]):
    """Sample groups from the checkpoint in `model` on the ShareGPT file `train`; write their pairs to the file `pairs`.

    `groups` is a file that survives a kill: what it holds is not sampled again.
    """

    module: ClassVar[str] = "fc_assets.training.dpo.pairs_job"

    model: Path
    train: Path
    recipe: DpoRecipe
    groups: Path
    pairs: Path


class DpoTrainingResult(TrainingResult):
    """The report of the training on pairs; `merge` and `adapter_rounding_kl` as in `GrpoResult`."""

    merge: MergeResult
    adapter_rounding_kl: float


class DpoRun(JobResult):
    """What the DPO process returns."""

    report: DpoTrainingResult
    cost: TrainingCost


class DpoJob(Job[DpoRun]):
    """Optimise the checkpoint in `model` on the file `pairs`, whose rows are turns of the ShareGPT file `train`.

    The other fields are those of `GrpoJob`.
    """

    module: ClassVar[str] = "fc_assets.training.dpo.dpo_job"

    model: Path
    base: Path
    base_source: CheckpointSource
    sft_adapter: Path
    train: Path
    pairs: Path
    settings: DpoSettings
    bounds: MergeSettings
    out: Path
    checkpoints: Path
    events: Path
    trackers: tuple[str, ...]


class DpoResult(JobResult):
    """The report of `dpo_policy`: its pairs, and the training on them."""

    pairs: PairCounts
    training: DpoTrainingResult
