"""Gates on the data: a wrong split would poison every number behind it, so each reads the published files again.

What is judged is measured on the artefacts, by `data_quality`, not taken from the step that wrote them; only the token
counts, which need the tokenizer, are read from its report.
"""

from collections.abc import Iterator

import dagster as dg

from fc_assets.data.assets import xlam_raw
from fc_assets.data.curation.bfcl_questions import installed_questions
from fc_assets.data.data_quality import (
    gold_ceiling,
    held_out_in_train,
    malformed_examples,
    malformed_rows,
    rows_asking,
    shared_rows,
)
from fc_assets.data.raw_table import read_summary
from fc_assets.data.split_report import SplitReport
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.metadata import table
from fc_assets.foundation.resources import Runtime
from fc_assets.foundation.thresholds import Bar, Kind
from fc_assets.names import EXAMPLES, REPORT, SHAREGPT_TRAIN, SHAREGPT_VAL, split_file

RATIO_TOLERANCE = 0.01
"""Rows with the same question stay together, so the share cannot be exact."""
SHOWN = 20

REJECTS = Bar[float]("data.max_reject_share", Kind.AT_MOST)
GOLD_CEILING = Bar[float]("gates.min_gold_ceiling", Kind.AT_LEAST)
CONTEXT = Bar[float]("server.max_model_len", Kind.AT_MOST)
VALIDATION_SHARE = Bar[float]("data.validation_share", Kind.EXACTLY)


@dg.asset_check(
    asset=xlam_raw,
    blocking=True,
    metadata=REJECTS.definition,
    description="No more rows than the profile allows are in the quarantine.",
)
def few_rejects(xlam_raw: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    summary = read_summary(xlam_raw.path)
    share, allowed = summary.reject_share, REJECTS.value(runtime.profile)
    return dg.AssetCheckResult(
        passed=share <= allowed,
        metadata={"reject_share": share, "rejected": summary.rejected, **REJECTS.record(allowed)},
        description=f"{share:.2%} of the rows were rejected, {allowed:.2%} are allowed.",
    )


@dg.asset_check(
    asset=xlam_raw, blocking=True, description="Every row has a query, valid tools, and calls of tools it offers."
)
def examples_are_well_formed(xlam_raw: Artifact) -> dg.AssetCheckResult:
    return _passed_without(malformed_examples(xlam_raw.path / EXAMPLES))


def _split_checks(name: str) -> list[dg.AssetChecksDefinition]:
    """The gates that both splits must pass."""

    @dg.asset_check(
        name="rows_are_conversations",
        asset=name,
        blocking=True,
        description="Every row is a ShareGPT conversation: speakers alternate, tools are valid, calls are of them.",
    )
    def rows_are_conversations(split: Artifact) -> dg.AssetCheckResult:
        return _passed_without(malformed_rows(split.path / split_file(name), validation=name == SHAREGPT_VAL))

    @dg.asset_check(
        name="gold_ceiling",
        asset=name,
        blocking=True,
        metadata=GOLD_CEILING.definition,
        description="The expected calls themselves validate against the schemas of their tools.",
    )
    def gold_validates(split: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
        ceiling, least = gold_ceiling(split.path / split_file(name)), GOLD_CEILING.value(runtime.profile)
        return dg.AssetCheckResult(
            passed=ceiling >= least,
            metadata={"gold_ceiling": ceiling, **GOLD_CEILING.record(least)},
            description=f"{ceiling:.2%} of the expected answers validate, at least {least:.2%} must.",
        )

    @dg.asset_check(
        name="rows_fit_the_context",
        asset=name,
        blocking=True,
        metadata=CONTEXT.definition,
        description="No row, prompt and answer, has more tokens than the server's context by the profile's tokenizer.",
    )
    def rows_fit_the_context(split: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
        report, context_tokens = _report(split), runtime.profile.server.max_model_len
        longest = report.longest_turns[0].tokens
        return dg.AssetCheckResult(
            passed=longest <= context_tokens,
            metadata={
                "longest": longest,
                "turns": report.turns,
                "ids": ", ".join(turn.id for turn in report.longest_turns if turn.tokens > context_tokens),
                **CONTEXT.record(context_tokens),
            },
            description=f"The longest of {report.turns} turns has {longest} tokens, {context_tokens} fit.",
        )

    return [rows_are_conversations, gold_validates, rows_fit_the_context]


@dg.asset_check(
    asset=SHAREGPT_TRAIN,
    additional_ins={SHAREGPT_VAL: dg.AssetIn(SHAREGPT_VAL)},
    blocking=True,
    description=(
        "Training and validation share no id and no query, compared in lower case without punctuation, and nothing of "
        "your own tools that is held out is in training."
    ),
)
def splits_are_disjoint(sharegpt_train: Artifact, sharegpt_val: Artifact) -> dg.AssetCheckResult:
    train, validation = sharegpt_train.path / split_file(SHAREGPT_TRAIN), sharegpt_val.path / split_file(SHAREGPT_VAL)
    ids, queries = shared_rows(train, validation)
    rows, tools = held_out_in_train(train, validation)
    return dg.AssetCheckResult(
        passed=ids == queries == rows == tools == 0,
        metadata={"shared_ids": ids, "shared_queries": queries, "held_out_rows": rows, "held_out_tools": tools},
        description=(
            f"{ids} ids and {queries} queries are on both sides; {rows} rows and {tools} tools that are held out are "
            "in training."
        ),
    )


@dg.asset_check(
    asset=SHAREGPT_TRAIN,
    additional_ins={SHAREGPT_VAL: dg.AssetIn(SHAREGPT_VAL)},
    blocking=True,
    metadata=VALIDATION_SHARE.definition,
    description="The validation share and the seed are the profile's.",
)
def split_is_as_configured(
    sharegpt_train: Artifact, sharegpt_val: Artifact, runtime: dg.ResourceParam[Runtime]
) -> dg.AssetCheckResult:
    train, validation = _report(sharegpt_train), _report(sharegpt_val)
    wanted, seed = VALIDATION_SHARE.value(runtime.profile), runtime.profile.data.seed
    rows = train.rows + validation.rows
    share = validation.rows / rows
    tolerance = max(RATIO_TOLERANCE, 1 / rows)
    return dg.AssetCheckResult(
        passed=abs(share - wanted) <= tolerance and train.seed == validation.seed == seed,
        metadata={
            "validation_share": share,
            "tolerance": tolerance,
            "seed": train.seed,
            "wanted_seed": seed,
            **VALIDATION_SHARE.record(wanted),
        },
        description=f"{share:.2%} of {rows} rows are for validation, by seed {train.seed}.",
    )


@dg.asset_check(
    asset=SHAREGPT_TRAIN,
    blocking=True,
    description="No question of the Berkeley Function Calling Leaderboard is in the training split.",
)
def no_bfcl_question_in_train(sharegpt_train: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    questions = installed_questions(runtime.profile.bfcl.python)
    if questions is None:
        return dg.AssetCheckResult(
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description="Not checked: bfcl-eval is not installed, so there are no questions to compare with.",
        )
    found = rows_asking(questions, sharegpt_train.path / split_file(SHAREGPT_TRAIN))
    return dg.AssetCheckResult(
        passed=not found,
        metadata={"questions": len(questions), "repeated": len(found), "ids": ", ".join(found[:SHOWN])},
        description=f"{len(found)} training rows repeat one of {len(questions)} BFCL questions.",
    )


def _report(split: Artifact) -> SplitReport:
    return SplitReport.model_validate(split.read_json(REPORT))


def _passed_without(problems: Iterator[str]) -> dg.AssetCheckResult:
    found = list(problems)
    return dg.AssetCheckResult(
        passed=not found,
        metadata={"malformed": len(found), "first": table({"problem": problem} for problem in found[:SHOWN])},
        description=f"{len(found)} rows are malformed.",
    )


CHECKS = [
    few_rejects,
    examples_are_well_formed,
    *_split_checks(SHAREGPT_TRAIN),
    *_split_checks(SHAREGPT_VAL),
    splits_are_disjoint,
    split_is_as_configured,
    no_bfcl_question_in_train,
]
