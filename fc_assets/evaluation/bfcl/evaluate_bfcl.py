"""One variant on BFCL: sample the questions, ask them, have the answers judged. Publishing is `assets`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import FAILED, Answer, Question, RequestSettings
from fc_assets.evaluation.bfcl import conversations, scores, summaries
from fc_assets.evaluation.bfcl.coverage import not_run
from fc_assets.evaluation.bfcl.model import BfclAttempt, BfclReport, BfclSample, ModeScores
from fc_assets.evaluation.inference.engines import Engine
from fc_assets.evaluation.inference.evaluate_variant import EvaluationContext, resumable_folder
from fc_assets.evaluation.inference.predictions import request_settings, server_record
from fc_assets.evaluation.inference.run_records import AskingCost, asking_cost, write_run_records
from fc_assets.foundation.json_files import write_json
from fc_assets.names import BFCL_ROWS, SERVER, bfcl_scores


@dataclass(frozen=True)
class BfclResult:
    """What a variant's answers are worth: the report, and the judged rows by prompt mode, the leading mode first."""

    report: BfclReport
    judged: Mapping[str, ModeScores]
    server: Mapping[str, object]
    answers: Sequence[Answer]
    cost: AskingCost

    @property
    def leading_mode(self) -> str:
        """The prompt mode that gates and headline numbers are about."""
        return next(iter(self.judged))

    def write(self, folder: Path) -> None:
        """A row for each question and prompt mode, and what answered."""
        scores.write_records(self.judged, folder / BFCL_ROWS)
        write_json(folder / SERVER, self.server)

    def write_run_records(self, folder: Path) -> None:
        """Write what the answers took."""
        write_run_records(folder, self.cost, self.answers)


@contextlib.contextmanager
def bfcl_result(context: EvaluationContext, variant: str, engine: Engine, scratch: Path) -> Iterator[BfclResult]:
    """Ask the sampled questions in every prompt mode and have them judged; publish within the block.

    Raises FcAssetsError when the checker's environment is missing, its self-test fails, it does not judge every row, or
    more rows than `evaluation.max_failed_share` stayed without an answer.
    """
    settings, evaluation = context.profile.bfcl, context.profile.evaluation
    log = context.log_file(f"bfcl-{variant}")
    python = scores.find_python(settings)
    sample = scores.take_sample(settings, python, scratch, log)
    budgets: dict[str, int] = {mode: getattr(settings.max_tokens, mode) for mode in settings.prompt_modes}
    attempts: dict[str, list[BfclAttempt]] = {}
    answers: list[Answer] = []
    with contextlib.ExitStack() as stack:
        for mode, budget in budgets.items():
            asking = request_settings(evaluation, budget)
            folder = stack.enter_context(
                resumable_folder(context, f"{bfcl_scores(variant)}-{mode}", engine, _known(sample, mode), asking)
            )
            attempts[mode], given = _ask(context, sample, mode, engine, asking, python, folder, scratch, log)
            answers += given
        _check_failed(attempts, evaluation.max_failed_share)
        judged = scores.score_modes(attempts, python, scratch, log)
        report = BfclReport(
            bfcl_eval=sample.version,
            sampled=len(sample.rows),
            sizes=dict(sample.sizes),
            modes={
                mode: summaries.summarise(found, sample.sizes, budgets[mode]) for mode, found in judged.modes.items()
            },
            not_run=not_run(settings.categories),
            self_test=judged.self_test,
            max_failed_share=evaluation.max_failed_share,
        )
        asked = server_record(engine.info, engine.identity, request_settings(evaluation, next(iter(budgets.values()))))
        server = {**asked, "max_tokens": budgets}
        yield BfclResult(report, judged.modes, server, answers, asking_cost(engine.server_start_s, answers))


def _known(sample: BfclSample, mode: str) -> list[Question]:
    """What is known before the first answer: the questions, and of a conversation which one of which version it is."""
    single = [row for row in sample.rows if not row.is_conversation]
    played = [Question(row.id, prompt=sample.version) for row in sample.rows if row.is_conversation]
    return [*scores.questions_of(single, mode), *played]


def _ask(
    context: EvaluationContext,
    sample: BfclSample,
    mode: str,
    engine: Engine,
    asking: RequestSettings,
    python: Path,
    folder: Path,
    scratch: Path,
    log: Path,
) -> tuple[list[BfclAttempt], list[Answer]]:
    """An attempt for each sampled row, in order, and every answer that was given for them."""
    single = [row for row in sample.rows if not row.is_conversation]
    answers = engine.ask(scores.questions_of(single, mode), asking, folder, context.log.info)
    played, further = conversations.play(
        [row for row in sample.rows if row.is_conversation],
        mode,
        engine,
        asking,
        python=python,
        folder=folder,
        scratch=scratch,
        log=log,
        show_progress=context.log.info,
    )
    found = {row.id: scores.attempt_of(row, answer) for row, answer in zip(single, answers, strict=True)}
    found |= {attempt.row.id: attempt for attempt in played}
    return [found[row.id] for row in sample.rows], [*answers, *further]


def _check_failed(attempts: Mapping[str, Sequence[BfclAttempt]], max_failed_share: float) -> None:
    asked = [attempt for each in attempts.values() for attempt in each]
    failed = [attempt.row.id for attempt in asked if attempt.finish_reason == FAILED]
    if len(failed) > max_failed_share * len(asked):
        raise FcAssetsError(
            f"{len(failed)} of {len(asked)} BFCL rows stayed without an answer (the first is {failed[0]}); a share of "
            f"{max_failed_share:g} may (evaluation.max_failed_share). The answers that had arrived are kept: "
            "materialise again to ask the rest"
        )
