"""What a model answers to the validation split, as files: written after asking, and brought together to be judged.

A predictions file holds raw text, how it ended and its tokens; judging one row belongs to `scoring`, how long it took
to `run_records`. Any file with the columns `id` and `text` can be scored, so other tools may write one too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.calls.parse import parse_strict
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import CUT, TOO_LONG, Answer, Question, RequestSettings, judged_text
from fc_assets.evaluation.prediction_files import read_predictions, scoring_rows
from fc_assets.evaluation.scoring import score_rows
from fc_assets.foundation.artifacts import Artifact
from fc_assets.names import PREDICTIONS, SHAREGPT_VAL, split_file
from fc_assets.profiles import EvaluationSettings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class AnswerSummary:
    """The headline figures of a set of answers, without times: the same answers have the same summary.

    `failed` rows have no answer for reasons of the infrastructure; `too_long` prompts did not fit the model; `cut`
    answers reached the limit of tokens. `parse_rate` is that of the report, over the rows that did not fail; None where
    all did.
    """

    rows: int
    failed: int
    too_long: int
    cut: int
    parse_rate: float | None
    prompt_tokens: int
    completion_tokens: int


def request_settings(settings: EvaluationSettings, max_tokens: int = 0) -> RequestSettings:
    """How the settings say to ask; `max_tokens`, if given, replaces theirs."""
    return RequestSettings(
        max_tokens=max_tokens or settings.max_tokens,
        concurrency=settings.concurrency,
        timeout_s=settings.request_timeout_s,
        retries=settings.retries,
        max_failed_share=settings.max_failed_share,
        seed=settings.seed,
    )


def rows_file(validation: Artifact) -> Path:
    """Where the validation split's rows lie."""
    return validation.path / split_file(SHAREGPT_VAL)


def asked_turns(validation: Artifact, max_rows: int) -> list[Turn]:
    """The turns of the validation split that are asked: its first `max_rows`, or all for 0."""
    turns = read_turns(rows_file(validation))
    return turns[: max_rows or len(turns)]


def answered_turns(validation: Artifact, ids: Collection[str]) -> list[Turn]:
    """The turns of the validation split that have these ids."""
    return [turn for turn in read_turns(rows_file(validation)) if turn.id in ids]


def questions_of(turns: Sequence[Turn]) -> list[Question]:
    """The questions that a split's turns pose."""
    return [Question(turn.id, turn.messages, turn.tools) for turn in turns]


def constrained_turns(turns: Sequence[Turn], rows: int) -> list[Turn]:
    """The turns that are also asked with calls forced: the first `rows` of those that expect a call."""
    return [turn for turn in turns if turn.calls and turn.tools][:rows]


def constrained_settings(settings: RequestSettings) -> RequestSettings:
    """The same with calls forced. A tool whose schema no grammar can express is no reason to lose the predictions, so
    failures are only counted."""
    return replace(settings, decode="constrained", max_failed_share=1.0)


def summarise(turns: Sequence[Turn], answers: Sequence[Answer]) -> AnswerSummary:
    """Count the answers to `turns`, one for each. Raises FcAssetsError when there is none."""
    if not answers:
        raise FcAssetsError("No row was asked; the validation split is empty or evaluation.max_rows is wrong")
    pairs = [(turn, answer) for turn, answer in zip(turns, answers, strict=True) if not answer.failed]
    judged = [answer for _, answer in pairs]
    return AnswerSummary(
        rows=len(answers),
        failed=len(answers) - len(judged),
        too_long=sum(answer.finish_reason == TOO_LONG for answer in answers),
        cut=sum(answer.finish_reason == CUT for answer in answers),
        parse_rate=sum(_parses(turn, answer) for turn, answer in pairs) / len(pairs) if pairs else None,
        prompt_tokens=sum(answer.prompt_tokens or 0 for answer in judged),
        completion_tokens=sum(answer.completion_tokens or 0 for answer in judged),
    )


def _parses(turn: Turn, answer: Answer) -> bool:
    parsed = parse_strict(judged_text(answer.text, answer.finish_reason))
    return not parsed.malformed and (not turn.calls or bool(parsed.calls))


def write_predictions(answers: Sequence[Answer], file: Path) -> None:
    """Write the answers as Parquet, one column for each field of `Answer` but the latency."""
    import pyarrow as pa
    import pyarrow.parquet

    schema = pa.schema(
        [
            ("id", pa.string()),
            ("text", pa.string()),
            ("finish_reason", pa.string()),
            ("prompt_tokens", pa.int64()),
            ("completion_tokens", pa.int64()),
            ("error", pa.string()),
        ]
    )
    columns = {name: [getattr(answer, name) for answer in answers] for name in schema.names}
    pa.parquet.write_table(pa.table(columns, schema=schema), file)


def read_answers(file: Path) -> list[Answer]:
    """The answers that `write_predictions` wrote."""
    import pyarrow.parquet

    return [Answer(latency_s=None, **row) for row in pyarrow.parquet.read_table(file).to_pylist()]


def server_record(
    info: Mapping[str, object], identity: Mapping[str, object], asking: RequestSettings
) -> dict[str, object]:
    """What answered and how it was asked."""
    return {**info, **answering_record(identity, asking)}


def answering_record(identity: Mapping[str, object], asking: RequestSettings) -> dict[str, object]:
    """The part of `server_record` that decides how a model answers, known before an engine is started."""
    settings = {name: value for name, value in identity.items() if name != "api_url"}  # an address may hold a password
    return {"settings": settings, "asking": asdict(asking)}


def show(turns: Sequence[Turn], answers: Sequence[Answer], rows: int = 20) -> list[dict[str, object]]:
    """The first rows as a table for people: the question, what was expected, what came."""
    return [
        {
            "id": turn.id,
            "query": turn.query[:200],
            "expected": turn.answer[:300],
            "answer": answer.text[:300] or answer.error[:300],
            "finish_reason": answer.finish_reason,
        }
        for turn, answer in zip(turns[:rows], answers, strict=False)
    ]


def score_variants(
    validation: Artifact,
    predictions: Mapping[str, Artifact],
    weights: Mapping[str, float],
    max_failed_share: float,
) -> dict[str, pd.DataFrame]:
    """The judged table of each variant, all on the same turns of `validation`; `weights` as in `score_rows`.

    Raises FcAssetsError where predictions were made from another split or where variants answered different rows.
    """
    answers = {}
    for variant, artifact in predictions.items():
        if artifact.inputs.get(validation.asset) != validation.digest:
            raise FcAssetsError(
                f"{artifact.asset} answers another {validation.asset} than the present one "
                f"({validation.digest[:16]}); materialise {artifact.asset} again"
            )
        (answers[variant],) = read_predictions(artifact.path / PREDICTIONS).values()
    asked = {variant: {answer.id for answer in found} for variant, found in answers.items()}
    first, *others = asked
    for other in others:
        if asked[other] != asked[first]:
            raise FcAssetsError(
                f"{predictions[first].asset} and {predictions[other].asset} answer different rows "
                f"({len(asked[first])} and {len(asked[other])}); materialise both with the same evaluation.max_rows"
            )
    turns = answered_turns(validation, asked[first])
    return {
        variant: score_rows(scoring_rows(turns, found), weights, max_failed_share) for variant, found in answers.items()
    }
