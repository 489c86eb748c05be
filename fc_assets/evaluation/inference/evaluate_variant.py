"""Ask one model the validation split: with which engine, which questions, and what is kept when a step is killed.

Orchestration without Dagster: a step lends what it has as an `EvaluationContext` and publishes what comes out. BFCL is
asked by `bfcl.evaluate_bfcl`; judging answers is `scoring` and `report`.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fc_assets.calls.conversations import Turn
from fc_assets.data.sources.episodes import Episode
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import Answer, Question, RequestSettings, resume_identity
from fc_assets.evaluation.inference.champion_answers import ChampionAnswers, PromotedRelease, recorded_answers
from fc_assets.evaluation.inference.engines import TRANSFORMERS, Engine, LocalModel, ServedModel, identity_of
from fc_assets.evaluation.inference.episode_play import Play, evaluation_episodes, write_plays
from fc_assets.evaluation.inference.episodes import resumable_plays
from fc_assets.evaluation.inference.parity import Parity, compared_prompts, measure, training_ids
from fc_assets.evaluation.inference.predictions import (
    AnswerSummary,
    answering_record,
    asked_turns,
    constrained_settings,
    constrained_turns,
    questions_of,
    request_settings,
    rows_file,
    server_record,
    summarise,
    write_predictions,
)
from fc_assets.evaluation.inference.run_records import AskingCost, asking_cost, write_run_records, write_timings
from fc_assets.evaluation.jobs import RunJob
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.child_processes.jobs import Log
from fc_assets.foundation.child_processes.processes import temporary_folder
from fc_assets.foundation.json_files import write_json
from fc_assets.names import (
    CHAMPION,
    CONSTRAINED_PREDICTIONS,
    CONSTRAINED_TIMINGS,
    EPISODE_PLAYS,
    MODEL_FOLDER,
    PARITY,
    PREDICTIONS,
    PROMOTED_POLICY,
    SERVER,
    predictions,
)
from fc_assets.profiles import Profile
from fc_assets.serving.server import serve

MeasureParity = Callable[[Engine], Parity]


@dataclass(frozen=True)
class EvaluationContext:
    """What a step lends: the run's profile, the artefact store, a runner of jobs, log files by name, and the log."""

    profile: Profile
    store: ArtifactStore
    run_job: RunJob
    log_file: Callable[[str], Path]
    log: Log


@dataclass(frozen=True)
class VariantAnswers:
    """What one model answered to `turns`, freely and, on some of them, with calls forced; how it played the `episodes`;
    and how it was asked."""

    turns: Sequence[Turn]
    answers: Sequence[Answer]
    constrained: Sequence[Answer]
    episodes: Sequence[Episode]
    plays: Sequence[Play]
    parity: Parity
    server: Mapping[str, object]
    cost: AskingCost

    @property
    def summary(self) -> AnswerSummary:
        """The headline figures. Raises FcAssetsError when no row was asked."""
        return summarise(self.turns, self.answers)

    def write(self, folder: Path) -> None:
        """Write the answers, the parity, and what answered."""
        write_predictions(self.answers, folder / PREDICTIONS)
        if self.constrained:
            write_predictions(self.constrained, folder / CONSTRAINED_PREDICTIONS)
        if self.plays:
            write_plays(folder / EPISODE_PLAYS, self.episodes, self.plays)
        write_json(folder / PARITY, asdict(self.parity))
        write_json(folder / SERVER, self.server)

    def write_run_records(self, folder: Path) -> None:
        """Write what the answers took."""
        write_run_records(folder, self.cost, self.answers)
        if self.constrained:
            write_timings(self.constrained, folder / CONSTRAINED_TIMINGS)


@contextlib.contextmanager
def engine_for(context: EvaluationContext, name: str, checkpoint: Path, digest: str) -> Iterator[Engine]:
    """What answers for this checkpoint, as the profile says; a server lives until the block is left."""
    settings, evaluation = context.profile.server, context.profile.evaluation
    if evaluation.engine == TRANSFORMERS:
        with temporary_folder("generate") as folder:
            yield LocalModel(checkpoint, settings, evaluation.batch_size, digest, context.run_job, folder)
        return
    log = context.log_file(f"evaluate-{name}-server")
    with serve(checkpoint, settings, name=name, log=log, model_digest=digest) as endpoint:
        context.log.info(f"{endpoint.base_url} serves {name} after {endpoint.info.start_s:.0f} s")
        yield ServedModel(endpoint, settings)


@contextlib.contextmanager
def parity_measurement(context: EvaluationContext, model: Artifact, validation: Artifact) -> Iterator[MeasureParity]:
    """What measures template parity once an engine is up; its training side is encoded while the block runs."""
    settings = context.profile.evaluation
    prompts = compared_prompts(asked_turns(validation, settings.max_rows), settings.parity_rows)
    log = context.log_file(f"parity-{model.asset}")
    with training_ids(model.path / MODEL_FOLDER, rows_file(validation), prompts.turns, log) as trained:
        yield lambda engine: measure(engine, prompts, trained)


@contextlib.contextmanager
def resumable_folder(
    context: EvaluationContext, name: str, engine: Engine, questions: Sequence[Question], settings: RequestSettings
) -> Iterator[Path]:
    """The folder of the answer log for these questions, with the answers of an interrupted attempt.

    Publish the answers within the block: the folder is removed when it is left without an error.
    """
    model = str(engine.info["model_digest"] or engine.info["claim"])
    identity = resume_identity(model, questions, settings, engine.identity)
    folder = context.store.resume_folder(name, identity)
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def resumable_answers(
    context: EvaluationContext, asset: str, engine: Engine, questions: Sequence[Question], settings: RequestSettings
) -> Iterator[list[Answer]]:
    """The answers, those of an interrupted attempt included; publish them within the block."""
    with resumable_folder(context, f"{asset}-{settings.decode}", engine, questions, settings) as folder:
        yield engine.ask(questions, settings, folder, context.log.info)


@contextlib.contextmanager
def variant_answers(
    context: EvaluationContext, variant: str, engine: Engine, validation: Artifact, measure_parity: MeasureParity
) -> Iterator[VariantAnswers]:
    """Ask the model the validation split, part of it with calls forced, and play the episodes; publish within."""
    settings = context.profile.evaluation
    turns = asked_turns(validation, settings.max_rows)
    parity = measure_parity(engine)
    context.log.info(f"{parity.equal} of {parity.rows} prompts have the token ids that training saw")
    asking = request_settings(settings)
    again = questions_of(constrained_turns(turns, settings.constrained_rows))
    if again and not engine.constrains:
        context.log.warning(
            f"evaluation.constrained_rows asks for {len(again)} rows with calls forced, which the engine "
            f"{settings.engine} cannot do: only free decoding is measured"
        )
        again = []
    asset, episodes = predictions(variant), evaluation_episodes(settings)
    with (
        resumable_answers(context, asset, engine, questions_of(turns), asking) as answers,
        resumable_answers(context, asset, engine, again, constrained_settings(asking)) as constrained,
        resumable_plays(asset, engine, episodes, asking, settings.episode_answers, context.store, context.log) as plays,
    ):
        server = server_record(engine.info, engine.identity, asking)
        cost = asking_cost(engine.server_start_s, answers)
        yield VariantAnswers(turns, answers, constrained, episodes, plays, parity, server, cost)


def champion_answers(
    context: EvaluationContext, release: PromotedRelease | None, model: Artifact, validation: Artifact
) -> ChampionAnswers | None:
    """The promoted policy's answers to the same turns; None when nothing is promoted, or when `model` is.

    It is asked anew only where the answers of its own evaluation cannot stand beside today's. One that cannot be asked
    is no reason to lose the predictions: its gate then fails and says why.
    """
    if release is None or release.policy == model.digest:
        return None
    settings = context.profile.evaluation
    turns, asking = asked_turns(validation, settings.max_rows), request_settings(settings)
    today = answering_record(identity_of(context.profile.server, settings.engine), asking)
    if recorded := recorded_answers(release, context.store, validation, turns, today):
        return ChampionAnswers(release.digest, release.policy, recorded)
    context.log.info(f"asking the promoted policy, release {release.digest[:16]}, the same questions")
    try:
        checkpoint = context.store.open(PROMOTED_POLICY, release.digest).path / MODEL_FOLDER
        with (
            engine_for(context, CHAMPION, checkpoint, release.policy) as engine,
            resumable_answers(context, predictions(CHAMPION), engine, questions_of(turns), asking) as answers,
        ):
            return ChampionAnswers(release.digest, release.policy, answers)
    except FcAssetsError as error:
        context.log.warning(f"the promoted policy cannot be asked: {error}")
        return ChampionAnswers(release.digest, release.policy, unasked=str(error))
