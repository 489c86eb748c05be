"""The stages of a rehearsal, each by its real job in a temporary folder, and what each one took.

Which settings are used is decided in `shortened`, how a process is watched in `watching`, printing is the `cli`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.planning.hours import grpo_hours, sft_hours
from fc_assets.foundation.planning.machine import Machine
from fc_assets.names import ADAPTER_FOLDER, MODEL_FOLDER
from fc_assets.profiles import EMBEDDED, Profile
from fc_assets.rehearsal.jobs import PreparedRows, PrepareJob
from fc_assets.rehearsal.shortened import COMPARED, GRPO_STEPS, SFT_STEPS, few_steps, small_enough_for_a_cpu
from fc_assets.rehearsal.watching import MemoryWatch, run_watched
from fc_assets.serving.server import serve
from fc_assets.training.jobs import BaseModelJob, CheckpointSource, ComparedTurns, GrpoJob, MergeJob, SftJob

_ROWS = 64
_NOTHING_LEARNT = "GRPO learns nothing"
"""Begins what a GRPO job says whose completions earned no reward; of random weights nothing else can be expected."""
_DIGEST = "0" * 64


@dataclass(frozen=True)
class StageFigures:
    """What one stage took. `failed` is why it did not end, empty where it did; None is what was not measured."""

    stage: str
    failed: str
    peak_card_gb: float | None
    peak_ram_gb: float
    seconds: float
    tokens_per_s: float | None = None
    hours: float | None = None


@dataclass(frozen=True)
class Rehearsal:
    """A profile as it is rehearsed here. `layers` is 0 for the real model, else that many with random weights.

    `launcher` replaces this Python for the stages that train.
    """

    full: Profile
    profile: Profile
    layers: int
    launcher: tuple[str, ...] = ()

    @property
    def shortened(self) -> bool:
        """Whether rows and layers are fewer than in the real run, so that hours cannot be told from it."""
        return self.layers > 0

    @property
    def compared(self) -> ComparedTurns:
        """On what merges are compared: as in the real run, or on a stated few tokens."""
        return COMPARED if self.shortened else ComparedTurns()


def plan(profile: Profile, machine: Machine, layers: int) -> Rehearsal:
    """The real settings where there is a card, or none is wanted; else `layers` layers and short rows."""
    wants_card = profile.sft.bf16 or profile.server.device == "cuda"
    if machine.card is None and wants_card:
        return Rehearsal(profile, small_enough_for_a_cpu(few_steps(profile)), layers)
    return Rehearsal(profile, few_steps(profile), 0)


def rehearse(rehearsal: Rehearsal, folder: Path) -> Iterator[StageFigures]:
    """Do every stage in `folder`, one after the other, and say what each took; the first that fails is the last.

    Raises `FcAssetsError` when there is no model or no rows to begin with.
    """
    profile = rehearsal.profile
    model, source = _model(rehearsal, folder)
    rows = _prepare(rehearsal, model, folder)
    merged, adapter = folder / "merged" / MODEL_FOLDER, folder / "sft" / ADAPTER_FOLDER
    train = folder / "train.json"

    def sft(watch: MemoryWatch) -> tuple[float | None, float | None]:
        job = SftJob(
            model=model,
            base_source=source,
            train=train,
            settings=profile.sft,
            out=adapter,
            checkpoints=folder / "sft-checkpoints",
            events=folder / "sft-events",
            trackers=(),
        )
        run = run_watched(job, folder / "sft-job", watch, rehearsal.launcher)
        speed = SFT_STEPS * profile.sft.rows_per_step * run.report.tokens_mean / run.cost.seconds
        return speed, None if rehearsal.shortened else sft_hours(rehearsal.full, speed)

    def merge(watch: MemoryWatch) -> tuple[float | None, float | None]:
        job = MergeJob(
            model=model,
            adapter=adapter,
            train=train,
            bf16=rehearsal.full.sft.bf16,
            bounds=profile.sft.merge,
            out=merged,
            compared=rehearsal.compared,
        )
        run_watched(job, folder / "merge-job", watch, rehearsal.launcher)
        return None, None

    def grpo(watch: MemoryWatch) -> tuple[float | None, float | None]:
        settings = profile.grpo
        job = GrpoJob(
            model=merged,
            base=model,
            base_source=source,
            sft_adapter=adapter,
            train=train,
            settings=settings,
            bounds=profile.sft.merge,
            out=folder / "grpo",
            checkpoints=folder / "grpo-checkpoints",
            events=folder / "grpo-events",
            trackers=(),
            compared=rehearsal.compared,
        )
        try:
            run = run_watched(job, folder / "grpo-job", watch, rehearsal.launcher)
        except FcAssetsError as error:
            if rehearsal.layers and str(error).startswith(_NOTHING_LEARNT):
                return None, None
            raise
        tokens = settings.prompts_per_step * settings.generations * (rows.longest_prompt + settings.max_completion)
        speed = GRPO_STEPS * tokens / run.cost.seconds
        hours = grpo_hours(rehearsal.full, run.cost.seconds / GRPO_STEPS)
        return speed, None if rehearsal.shortened else hours

    def server(watch: MemoryWatch) -> tuple[float | None, float | None]:
        with serve(
            merged, profile.server, name="rehearsal", log=folder / "server.log", model_digest=_DIGEST
        ) as endpoint:
            watch.look(endpoint.info.pid)
        return None, None

    for stage, work in (("SFT", sft), ("merge", merge), ("GRPO", grpo), ("server", server)):
        figures = _figures(stage, work)
        yield figures
        if figures.failed:
            return


def _figures(stage: str, work: Callable[[MemoryWatch], tuple[float | None, float | None]]) -> StageFigures:
    watch, began, failed = MemoryWatch(), time.monotonic(), ""
    speed = hours = None
    try:
        speed, hours = work(watch)
    except FcAssetsError as error:
        failed = str(error)
    card = None if watch.card_bytes is None else watch.card_bytes / 1e9
    return StageFigures(stage, failed, card, watch.peak_ram / 1e9, time.monotonic() - began, speed, hours)


def _model(rehearsal: Rehearsal, folder: Path) -> tuple[Path, CheckpointSource]:
    """The folder of the base model, fetched where it is the real one, and what adapters call it."""
    if rehearsal.layers:
        return folder / "base", CheckpointSource(name="random-weights", revision="", source="folder")
    if rehearsal.profile.base_model.source == "embedded":
        return EMBEDDED, CheckpointSource(name=EMBEDDED.name, revision="", source="embedded")
    job = BaseModelJob(settings=rehearsal.profile.base_model, out=folder / "base")
    found = run_watched(job, folder / "base-job", MemoryWatch())
    return job.out, CheckpointSource(name=found.name, revision=found.revision, source=found.source)


def _prepare(rehearsal: Rehearsal, model: Path, folder: Path) -> PreparedRows:
    profile = rehearsal.profile
    job = PrepareJob(
        model=model,
        layers=rehearsal.layers,
        bf16=rehearsal.full.sft.bf16,
        train=folder / "train.json",
        rows=_ROWS,
        row_tokens=profile.sft.max_length,
        prompt_tokens=profile.grpo.max_prompt,
        seed=profile.sft.seed,
    )
    return run_watched(job, folder / "prepare-job", MemoryWatch())
