"""One variant on BFCL: sample the questions, ask them, have the answers judged. Publishing is `assets`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fc_assets.evaluation.answers import Answer
from fc_assets.evaluation.bfcl import scores
from fc_assets.evaluation.bfcl.model import BfclReport, ModeScores
from fc_assets.evaluation.inference.engines import Engine
from fc_assets.evaluation.inference.evaluate_variant import EvaluationContext, resumable_answers
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

    Raises FcAssetsError when the checker's environment is missing or it does not judge every row.
    """
    settings = context.profile.bfcl
    log = context.log_file(f"bfcl-{variant}")
    python = scores.find_python(settings)
    sample = scores.take_sample(settings, python, scratch, log)
    modes = settings.prompt_modes
    questions = [question for mode in modes for question in scores.questions_of(sample.rows, mode)]
    asking = request_settings(context.profile.evaluation, settings.max_tokens)
    with resumable_answers(context, bfcl_scores(variant), engine, questions, asking) as answers:
        judged = scores.score_modes(sample, modes, answers, python, scratch, log)
        report = BfclReport(
            bfcl_eval=sample.version,
            sampled=len(sample.rows),
            sizes=dict(sample.sizes),
            modes={mode: scores.summarise(found, sample.sizes) for mode, found in judged.items()},
        )
        server = server_record(engine.info, engine.identity, asking)
        yield BfclResult(report, judged, server, answers, asking_cost(engine.server_start_s, answers))
