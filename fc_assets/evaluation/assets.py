"""The evaluation assets: for each variant its predictions and its BFCL scores, and the report that compares them.

One step makes both of a variant's assets with one engine, since starting vLLM costs more than asking a small model.
What is asked, scored and compared is in the room's other modules.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.bfcl import tables as bfcl_tables
from fc_assets.evaluation.bfcl.evaluate_bfcl import BfclResult, bfcl_result
from fc_assets.evaluation.inference.champion_answers import ChampionAnswers, PromotedRelease
from fc_assets.evaluation.inference.evaluate_variant import (
    EvaluationContext,
    VariantAnswers,
    champion_answers,
    engine_for,
    parity_measurement,
    variant_answers,
)
from fc_assets.evaluation.inference.predictions import show
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import ON_THE_GPU, OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.metadata import picture, picture_file, record_of, table
from fc_assets.foundation.resources import AssetStep, Runtime, StepError
from fc_assets.names import (
    EVAL_REPORT,
    FAILURES_PLOT,
    METRICS_PLOT,
    MODEL_FOLDER,
    PROMOTED_POLICY,
    SHAREGPT_VAL,
    SHIPPED_VARIANT,
    VARIANT_LABELS,
    bfcl_scores,
    predictions,
)
from fc_assets.profiles import Profile, variant_models

if TYPE_CHECKING:
    from fc_assets.evaluation.compare_variants import VariantComparison

GROUP = "evaluation"

_ASKING = ("fc_assets.evaluation.inference.client", "fc_assets.evaluation.inference.generate_job")
"""Modules that get an answer, with either engine."""


def predictions_key(variant: str) -> dg.AssetKey:
    """The key of a variant's predictions."""
    return dg.AssetKey.from_user_string(predictions(variant))


def bfcl_key(variant: str) -> dg.AssetKey:
    """The key of a variant's BFCL scores."""
    return dg.AssetKey.from_user_string(bfcl_scores(variant))


def promoted_release(instance: dg.DagsterInstance) -> PromotedRelease | None:
    """The latest materialisation of `promoted_policy`; None before the first."""
    event = instance.get_latest_materialization_event(dg.AssetKey(PROMOTED_POLICY))
    if event is None or (materialization := event.asset_materialization) is None:
        return None
    recorded = record_of(materialization)
    return PromotedRelease(recorded.digest, recorded.inputs)


def build_evaluation(variant: str, model_asset: str) -> dg.AssetsDefinition:
    """The step that evaluates one variant: its predictions, its BFCL scores, or both, from one server."""
    common: dict[str, Any] = {"group_name": GROUP, "owners": OWNERS, "is_required": False}

    @dg.multi_asset(
        name=f"evaluate_{variant}",
        ins={"model": dg.AssetIn(key=model_asset), SHAREGPT_VAL: dg.AssetIn()},
        outs={
            "predictions": dg.AssetOut(
                key=predictions_key(variant),
                kinds={"vllm", "parquet"},
                code_version=code_version(
                    "fc_assets.evaluation.inference.evaluate_variant",
                    *_ASKING,
                    "fc_assets.evaluation.inference.prompt_ids_job",
                    "fc_assets.evaluation.inference.parity_encoding_job",
                ),
                description=_predictions_description(variant, model_asset),
                **common,
            ),
            "bfcl_scores": dg.AssetOut(
                key=bfcl_key(variant),
                kinds={"vllm", "bfcl"},
                code_version=code_version("fc_assets.evaluation.bfcl.evaluate_bfcl", *_ASKING),
                description=(
                    f"{model_asset} (variant {variant}) on the Berkeley Function Calling Leaderboard: the official "
                    "checker's accuracy in each category, with Wilson intervals. In the demo a small stratified sample "
                    "of single questions through the model's own chat template; else also the leaderboard's own "
                    "prompt, and conversations with its own tools."
                ),
                **common,
            ),
        },
        internal_asset_deps={
            "predictions": {dg.AssetKey(model_asset), dg.AssetKey(SHAREGPT_VAL)},
            "bfcl_scores": {dg.AssetKey(model_asset)},
        },
        can_subset=True,
        **ON_THE_GPU,
    )
    def evaluate(
        context: dg.AssetExecutionContext,
        runtime: dg.ResourceParam[Runtime],
        model: Artifact,
        sharegpt_val: Artifact,
    ) -> Iterator[dg.MaterializeResult[Artifact]]:
        wanted = context.selected_asset_keys
        evaluation = _evaluation_context(context, runtime)
        with _errors_for_people(variant), contextlib.ExitStack() as stack:
            if predictions_key(variant) in wanted:
                # Before the other server: a card may hold one engine only.
                release = promoted_release(context.instance) if variant == SHIPPED_VARIANT else None
                champion = champion_answers(evaluation, release, model, sharegpt_val)
                # Begun before the server, which takes longer to start than this takes.
                measure_parity = stack.enter_context(parity_measurement(evaluation, model, sharegpt_val))
            engine = stack.enter_context(engine_for(evaluation, variant, model.path / MODEL_FOLDER, model.digest))
            # Predictions first: should BFCL fail, they are published already.
            if predictions_key(variant) in wanted:
                with (
                    runtime.step(context, predictions_key(variant)) as step,
                    variant_answers(evaluation, variant, engine, sharegpt_val, measure_parity) as answers,
                ):
                    yield _publish_predictions(step, answers, champion, [model, sharegpt_val])
            if bfcl_key(variant) in wanted:
                with (
                    runtime.step(context, bfcl_key(variant)) as step,
                    bfcl_result(evaluation, variant, engine, step.scratch) as result,
                ):
                    yield _publish_bfcl_scores(step, variant, result, [model])

    return evaluate


def _predictions_description(variant: str, model_asset: str) -> str:
    described = (
        f"What {model_asset} (variant {variant}) answers to the validation split: raw text and tokens of every row, "
        "asked greedily of a vLLM server that this step starts and ends, or of transformers where "
        "evaluation.engine says so. A row without an answer is counted as a failure of the infrastructure, never as an "
        "empty answer. How long each took is recorded beside the artefact, not in it."
    )
    if variant == SHIPPED_VARIANT:
        described += (
            f" Beside them lie the answers of the latest {PROMOTED_POLICY} to the same rows. The step reads it without "
            "depending on it: a release is made from the evaluation, so the graph would be a circle."
        )
    return described


def _evaluation_context(context: dg.AssetExecutionContext, runtime: Runtime) -> EvaluationContext:
    return EvaluationContext(
        profile=runtime.profile,
        store=runtime.store,
        run_job=partial(runtime.run_job, context),
        log_file=partial(runtime.log_file, context),
        log=context.log,
    )


def _publish_predictions(
    step: AssetStep, found: VariantAnswers, champion: ChampionAnswers | None, inputs: Sequence[Artifact]
) -> dg.MaterializeResult[Artifact]:
    summary = asdict(found.summary)
    found.write(step.out)
    found.write_run_records(step.records)
    if champion:
        champion.write(step.out)
    metadata = {
        **summary,
        **asdict(found.cost),
        "parity_rows": found.parity.rows,
        "parity_equal": found.parity.equal,
        "answers": table(show(found.turns, found.answers)),
        "server": _server_table(found.server),
    }
    return step.publish(inputs, metadata, report=summary)


def _publish_bfcl_scores(
    step: AssetStep, variant: str, result: BfclResult, inputs: Sequence[Artifact]
) -> dg.MaterializeResult[Artifact]:
    result.write(step.out)
    result.write_run_records(step.records)
    mode = result.leading_mode
    plot = bfcl_tables.categories_plot(result.judged[mode].scores, f"BFCL, {variant}, prompt mode {mode}")
    leading = result.report.modes[mode]
    metadata = {
        "categories": table(bfcl_tables.side_by_side({variant: result.report})),
        "accuracy": picture(plot, "accuracy by category"),
        **{f"bfcl_{name}": value for name, value in leading.headline.items()},
        "parse_share": leading.parse_share,
        "too_long": leading.too_long,
        "cut": leading.cut,
        "failed": leading.failed,
        "self_test": result.report.self_test,
        "rows": result.report.sampled,
        "prompt_mode": mode,
        "server": _server_table(result.server),
    }
    return step.publish(inputs, metadata, report=result.report)


def _server_table(server: Mapping[str, object]) -> dg.TableMetadataValue:
    """What answered: its digest, or for an external server what it claims to be."""
    return table({"setting": name, "value": str(value)} for name, value in server.items())


@contextlib.contextmanager
def _errors_for_people(variant: str) -> Iterator[None]:
    try:
        yield
    except FcAssetsError as error:
        raise StepError(f"evaluating {variant}: {error}", error) from None


def build_eval_report(variants: Sequence[str]) -> dg.AssetsDefinition:
    """The comparison of these variants."""
    letters = "/".join("ABCD"[: len(variants)])
    *others, last = (VARIANT_LABELS[variant].replace("Base", "base") for variant in variants)

    @dg.asset(
        key=EVAL_REPORT,
        group_name=GROUP,
        kinds={"scipy", "matplotlib"},
        owners=OWNERS,
        code_version=code_version(
            "fc_assets.evaluation.compare_variants", "fc_assets.evaluation.embedding.embedding_job"
        ),
        ins={
            SHAREGPT_VAL: dg.AssetIn(),
            **{f"predictions_{variant}": dg.AssetIn(key=predictions_key(variant)) for variant in variants},
            **{f"bfcl_{variant}": dg.AssetIn(key=bfcl_key(variant)) for variant in variants},
        },
        description=(
            f"The {letters} comparison of {', '.join(others)} and {last} on the validation split: every metric with "
            "its 95 % interval and the ceiling that the data allows, paired tests, strata, where the errors went, and "
            "the BFCL scores. Also report.md, results.json and report.html in the artefact's folder; that page has "
            "every row with all answers, to browse and to filter."
        ),
    )
    def eval_report(
        context: dg.AssetExecutionContext,
        runtime: dg.ResourceParam[Runtime],
        sharegpt_val: Artifact,
        **of_variants: Artifact,
    ) -> dg.MaterializeResult[Artifact]:
        from fc_assets.evaluation.compare_variants import compare_variants  # brings numpy, which the definitions lack

        answered = {variant: of_variants[f"predictions_{variant}"] for variant in variants}
        scores = {variant: of_variants[f"bfcl_{variant}"] for variant in variants}
        run_job = partial(runtime.run_job, context)
        with runtime.step(context) as step:
            found = compare_variants(sharegpt_val, answered, scores, runtime.profile, run_job, step.scratch)
            files = found.write(step.out, step.records)
            inputs = [sharegpt_val, *answered.values(), *scores.values()]
            return step.publish(inputs, _report_metadata(found, files))

    return eval_report


def _report_metadata(found: "VariantComparison", files: Mapping[str, Path]) -> dict[str, object]:
    from fc_assets.evaluation.report.model import HEADLINE
    from fc_assets.evaluation.report.render import all_metrics, headline

    report = found.report
    return {
        "comparison": table(headline(report)),
        "metrics": picture_file(files[METRICS_PLOT], "every metric with its 95 % interval"),
        "paired_tests": table(asdict(test) for test in report.comparisons),
        "failures": picture_file(files[FAILURES_PLOT], "rows that failed, by first failure"),
        "failure_counts": table({"variant": name, **counts} for name, counts in report.failures.items()),
        **{name: table(records) for name, records in found.tables.items()},
        "all_metrics": table(all_metrics(report)),
        # One number a metric and variant, which Dagster plots over time.
        **{
            f"{short.replace(' ', '_')}_{variant}": report.metrics[variant][metric].value
            for metric, short in HEADLINE.items()
            for variant in report.variants
        },
    }


def assets(profile: Profile) -> list[dg.AssetsDefinition]:
    """The evaluation of every variant that the profile's graph has, and their comparison."""
    variants = variant_models(profile)
    return [*(build_evaluation(variant, model) for variant, model in variants.items()), build_eval_report([*variants])]
