"""The evaluation assets: for each variant its predictions and its BFCL scores, and the report that compares them.

One step makes both of a variant's assets with one engine, since starting vLLM costs more than asking a small model.
What is asked, scored and compared is in the room's other modules.
"""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation import champion as champions
from fc_assets.evaluation.bfcl import scores as bfcl
from fc_assets.evaluation.bfcl import tables as bfcl_tables
from fc_assets.evaluation.champion import CHALLENGER, CHAMPION, Opponent
from fc_assets.evaluation.inference.answers import Answer, Asking, Question, resume_identity
from fc_assets.evaluation.inference.engines import GENERATE, Engine, LocalModel, ServedModel, identity_of
from fc_assets.evaluation.inference.parity import PARITY_FILE, Parity, compare, spread, training_ids
from fc_assets.evaluation.inference.predictions import (
    CONSTRAINED_FILE,
    PREDICTIONS_FILE,
    SERVER_FILE,
    VALIDATION,
    answering_record,
    asked_turns,
    asking_for,
    compare_decoding,
    constrained_asking,
    constrained_turns,
    questions_of,
    score_variants,
    server_record,
    show,
    split_file,
    summarise,
    write_predictions,
)
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.gpu import GPU_OP_TAGS, GPU_POOL
from fc_assets.foundation.metadata import picture, picture_file, table
from fc_assets.foundation.resources import Runtime, StepError, latest_artifact
from fc_assets.names import REPORT
from fc_assets.serving.server import serve

GROUP = "evaluation"
VARIANTS = {"base": "base_model", "sft": "merged_model", "grpo": "grpo_policy"}
"""Each variant (A, B, C) and the asset that holds its checkpoint, in the subfolder `model`."""

PROMOTED = dg.AssetKey(champions.PROMOTED)

HEADLINE = (
    *("parse_rate", "function_name_accuracy", "param_f1", "schema_hit", "exec_rate"),
    *("exact_match", "semantic_consistency", "irrelevance_accuracy", "reward"),
)
"""Metrics that Dagster plots over time, one number for each variant."""

BFCL_TITLE = "Berkeley Function Calling Leaderboard"
DECODING_TITLE = "Free and constrained decoding"


def predictions_key(variant: str) -> dg.AssetKey:
    """The key of a variant's predictions."""
    return dg.AssetKey(["predictions", variant])


def bfcl_key(variant: str) -> dg.AssetKey:
    """The key of a variant's BFCL scores."""
    return dg.AssetKey(["bfcl_scores", variant])


def build_evaluation(variant: str, model_asset: str) -> dg.AssetsDefinition:
    """The step that evaluates one variant: its predictions, its BFCL scores, or both, from one server."""
    common: dict[str, Any] = {
        "group_name": GROUP,
        "owners": OWNERS,
        "code_version": code_version(
            "fc_assets.evaluation.inference.predictions",
            "fc_assets.evaluation.inference.client",
            "fc_assets.evaluation.inference.generate_job",
            "fc_assets.evaluation.inference.parity",
            "fc_assets.evaluation.bfcl.scores",
        ),
        "is_required": False,
    }

    @dg.multi_asset(
        name=f"evaluate_{variant}",
        ins={"model": dg.AssetIn(key=model_asset), VALIDATION: dg.AssetIn()},
        outs={
            "predictions": dg.AssetOut(
                key=predictions_key(variant),
                kinds={"vllm", "parquet"},
                description=(
                    f"What {model_asset} (variant {variant}) answers to the validation split: raw text, latency and "
                    "tokens of every row, asked greedily of a vLLM server that this step starts and ends, or of "
                    "transformers where evaluation.engine says so. A row without an answer is counted as a failure of "
                    "the infrastructure, never as an empty answer."
                ),
                **common,
            ),
            "bfcl_scores": dg.AssetOut(
                key=bfcl_key(variant),
                kinds={"vllm", "bfcl"},
                description=(
                    f"{model_asset} (variant {variant}) on the Berkeley Function Calling Leaderboard: the official "
                    "checker's accuracy in each single-turn category, with Wilson intervals. In the demo a small "
                    "stratified sample through the model's own chat template; else also the leaderboard's own prompt."
                ),
                **common,
            ),
        },
        internal_asset_deps={
            "predictions": {dg.AssetKey(model_asset), dg.AssetKey(VALIDATION)},
            "bfcl_scores": {dg.AssetKey(model_asset)},
        },
        can_subset=True,
        pool=GPU_POOL,
        op_tags=GPU_OP_TAGS,
    )
    def evaluate(
        context: dg.AssetExecutionContext,
        runtime: dg.ResourceParam[Runtime],
        model: Artifact,
        sharegpt_val: Artifact,
    ) -> Iterator[dg.MaterializeResult]:
        wanted = context.selected_asset_keys
        with _errors_for_people(variant), contextlib.ExitStack() as stack:
            if predictions_key(variant) in wanted:
                # Before the other server: a card may hold one engine only.
                has_opponent = variant == CHALLENGER
                opponent = _opponent(context, runtime, model, sharegpt_val) if has_opponent else None
                # Begun before the server, which takes longer to start than this takes.
                parity = stack.enter_context(_parity(context, runtime, model, sharegpt_val))
            engine = stack.enter_context(_engine(context, runtime, variant, model.path / "model", model.digest))
            # Predictions first: should BFCL fail, they are published already.
            if predictions_key(variant) in wanted:
                yield from _predictions(context, runtime, variant, engine, model, sharegpt_val, parity, opponent)
            if bfcl_key(variant) in wanted:
                yield from _bfcl_scores(context, runtime, variant, engine, model)

    return evaluate


def _predictions(
    context: dg.AssetExecutionContext,
    runtime: Runtime,
    variant: str,
    engine: Engine,
    model: Artifact,
    validation: Artifact,
    measure_parity: Callable[[Engine], Parity],
    opponent: Opponent | None,
) -> Iterator[dg.MaterializeResult]:
    settings = runtime.profile.evaluation
    with runtime.step(context, predictions_key(variant)) as step:
        turns = asked_turns(validation, settings.max_rows)
        parity = measure_parity(engine)
        context.log.info(f"{parity.equal} of {parity.rows} prompts have the token ids that training saw")
        _write_json(step.out / PARITY_FILE, asdict(parity))
        asking = asking_for(settings)
        again = questions_of(constrained_turns(turns, settings.constrained_rows))
        if again and not engine.constrains:
            context.log.warning(
                f"evaluation.constrained_rows asks for {len(again)} rows with calls forced, which the engine "
                f"{settings.engine} cannot do: only free decoding is measured"
            )
            again = []
        with (
            _asked(context, runtime, step.key, engine, questions_of(turns), asking) as answers,
            _asked(context, runtime, step.key, engine, again, constrained_asking(asking)) as forced,
        ):
            if forced:
                write_predictions(forced, step.out / CONSTRAINED_FILE)
            summary = summarise(turns, answers)
            write_predictions(answers, step.out / PREDICTIONS_FILE)
            server = server_record(engine.info, engine.identity, asking)
            _write_json(step.out / SERVER_FILE, server)
            if opponent:
                champions.write_opponent(step.out, opponent)
            yield step.publish(
                [model, validation],
                {
                    **asdict(summary),
                    "parity_rows": parity.rows,
                    "parity_equal": parity.equal,
                    "answers": table(show(turns, answers)),
                    "server": table({"setting": name, "value": str(value)} for name, value in server.items()),
                },
                report=asdict(summary),
            )


def _opponent(
    context: dg.AssetExecutionContext, runtime: Runtime, model: Artifact, validation: Artifact
) -> Opponent | None:
    """The promoted policy and what it answers to the same turns; None when there is none, or when it is `model`.

    It is asked anew only where the answers of its own evaluation cannot stand beside today's. One that cannot be asked
    is no reason to lose the predictions: its gate then fails and says why.
    """
    event = context.instance.get_latest_materialization_event(PROMOTED)
    if event is None or (promotion := event.asset_materialization) is None:
        return None
    champion = champions.champion_of(str(promotion.metadata["sha256"].value), promotion.metadata["inputs"].value)
    if champion.policy == model.digest:
        return None
    profile, store = runtime.profile, runtime.store
    turns, asking = asked_turns(validation, profile.evaluation.max_rows), asking_for(profile.evaluation)
    today = answering_record(identity_of(profile.server, profile.evaluation.engine), asking)
    if answers := champions.recorded_answers(champion, store, validation, turns, today):
        return Opponent(champion, answers)
    context.log.info(f"asking the promoted policy, release {champion.release[:16]}, the same questions")
    try:
        checkpoint = latest_artifact(context.instance, store, PROMOTED).path / "model"
        with (
            _engine(context, runtime, CHAMPION, checkpoint, champion.policy) as engine,
            _asked(context, runtime, predictions_key(CHAMPION), engine, questions_of(turns), asking) as answers,
        ):
            return Opponent(champion, answers)
    except FcAssetsError as error:
        context.log.warning(f"the promoted policy cannot be asked: {error}")
        return Opponent(champion, unasked=str(error))


def _bfcl_scores(
    context: dg.AssetExecutionContext, runtime: Runtime, variant: str, engine: Engine, model: Artifact
) -> Iterator[dg.MaterializeResult]:
    settings = runtime.profile.bfcl
    with runtime.step(context, bfcl_key(variant)) as step:
        log = runtime.log_file(context, f"bfcl-{variant}")
        python = bfcl.find_python(settings)
        sample = bfcl.take_sample(settings, python, step.scratch, log)
        asking = asking_for(runtime.profile.evaluation, settings.max_tokens)
        modes = settings.prompt_modes
        questions = [question for mode in modes for question in bfcl.questions_of(sample.rows, mode)]
        with _asked(context, runtime, step.key, engine, questions, asking) as answers:
            judged = bfcl.score_modes(sample, modes, answers, python, step.scratch, log)
            report = {
                "bfcl_eval": sample.version,
                "sampled": len(sample.rows),
                "sizes": dict(sample.sizes),
                "modes": {mode: found.summary(sample.sizes) for mode, found in judged.items()},
            }
            bfcl.write_records(judged, step.out / bfcl.ROWS_FILE)
            _write_json(step.out / SERVER_FILE, server_record(engine.info, engine.identity, asking))
            leading, main = judged[modes[0]], report["modes"][modes[0]]
            plot = bfcl_tables.categories_plot(leading.scores, f"BFCL, {variant}, prompt mode {modes[0]}")
            yield step.publish(
                [model],
                {
                    "categories": table(bfcl_tables.side_by_side({variant: report})),
                    "accuracy": picture(plot, "accuracy by category"),
                    **{f"bfcl_{name}": value for name, value in main["headline"].items()},
                    **{name: main[name] for name in ("parse_share", "too_long", "failed")},
                    "rows": len(sample.rows),
                    "prompt_mode": modes[0],
                },
                report=report,
            )


@dg.asset(
    group_name=GROUP,
    kinds={"scipy", "matplotlib"},
    owners=OWNERS,
    code_version=code_version(
        "fc_assets.evaluation.report.build", "fc_assets.evaluation.champion", "fc_assets.evaluation.embedding"
    ),
    ins={
        VALIDATION: dg.AssetIn(),
        **{f"predictions_{variant}": dg.AssetIn(key=predictions_key(variant)) for variant in VARIANTS},
        **{f"bfcl_{variant}": dg.AssetIn(key=bfcl_key(variant)) for variant in VARIANTS},
    },
    description=(
        "The A/B/C comparison of base, SFT and SFT+GRPO on the validation split: every metric with its 95 % interval "
        "and the ceiling that the data allows, paired tests, strata, where the errors went, and the BFCL scores. Also "
        "report.md, report.html and results.json in the artefact's folder."
    ),
)
def eval_report(
    context: dg.AssetExecutionContext,
    runtime: dg.ResourceParam[Runtime],
    sharegpt_val: Artifact,
    predictions_base: Artifact,
    predictions_sft: Artifact,
    predictions_grpo: Artifact,
    bfcl_base: Artifact,
    bfcl_sft: Artifact,
    bfcl_grpo: Artifact,
) -> dg.MaterializeResult[Artifact]:
    from fc_assets.evaluation import embedding  # brings numpy, as does report
    from fc_assets.evaluation.report import build as reports

    settings, weights = runtime.profile.evaluation, runtime.profile.grpo.rewards.model_dump()
    predictions = {"base": predictions_base, "sft": predictions_sft, "grpo": predictions_grpo}
    scores = {"base": bfcl_base, "sft": bfcl_sft, "grpo": bfcl_grpo}
    with runtime.step(context) as step:
        bfcl_records = bfcl_tables.side_by_side(
            {reports.label(variant): scored.read_json(REPORT) for variant, scored in scores.items()}
        )
        frames = score_variants(sharegpt_val, predictions, weights, settings.max_failed_share)
        decoding = compare_decoding(sharegpt_val, predictions, frames, weights, settings.seed)
        duel = champions.duel(
            sharegpt_val, predictions_grpo, frames[CHALLENGER], weights, settings.bootstrap_samples, settings.seed
        )
        further = {
            "bfcl": (BFCL_TITLE, bfcl_records),
            "decode_modes": (DECODING_TITLE, decoding),
            "embedding_similarity": (embedding.TITLE, _similarity(context, runtime, frames, step.scratch)),
            "champion": (champions.TITLE, champions.duel_table(duel)),
        }
        report = reports.build_report(
            frames,
            weights,
            samples=settings.bootstrap_samples,
            seed=settings.seed,
            extra_tables={title: records for title, records in further.values() if records},
            extra_texts={embedding.TITLE: embedding.TEXT},
        )
        _write_json(step.out / champions.RECORD_FILE, duel)
        files = reports.write_report(report, step.out)
        values = reports.results(report)["variants"]
        return step.publish(
            [sharegpt_val, *predictions.values(), *scores.values()],
            {
                "comparison": table(reports.headline(report)),
                "metrics": picture_file(files[reports.METRICS_PLOT], "every metric with its 95 % interval"),
                **{f"{metric}_{variant}": values[variant][metric] for metric in HEADLINE for variant in VARIANTS},
                "paired_tests": table(asdict(found) for found in report.comparisons),
                "failures": picture_file(files[reports.FAILURES_PLOT], "rows that failed, by first failure"),
                "failure_counts": table({"variant": name, **counts} for name, counts in report.failures.items()),
                **{name: table(records) for name, (_, records) in further.items() if records},
            },
        )


def _similarity(
    context: dg.AssetExecutionContext, runtime: Runtime, frames: Mapping[str, Any], scratch: Path
) -> list[dict[str, object]]:
    """Embedding similarity of each variant's judged table; nothing where the profile names no model."""
    from fc_assets.evaluation import embedding  # brings numpy, which the definitions can do without

    settings = runtime.profile.evaluation
    if not settings.embedding_model:
        return []
    pairs = {variant: embedding.string_pairs(frame) for variant, frame in frames.items()}
    job = {"model": settings.embedding_model, "revision": settings.embedding_revision}
    found = runtime.run_module(context, embedding.MODULE, {**job, "pairs": embedding.to_embed(pairs)}, scratch)
    samples, seed = settings.bootstrap_samples, settings.seed
    return embedding.similarity_table(frames, pairs, found["cosines"], samples, seed)


@contextlib.contextmanager
def _errors_for_people(variant: str) -> Iterator[None]:
    try:
        yield
    except FcAssetsError as error:
        raise StepError(f"evaluating {variant}: {error}") from error


@contextlib.contextmanager
def _parity(
    context: dg.AssetExecutionContext, runtime: Runtime, model: Artifact, validation: Artifact
) -> Iterator[Callable[[Engine], Parity]]:
    """What measures template parity once an engine is up; its training side is encoded while the block runs."""
    settings = runtime.profile.evaluation
    turns = spread(asked_turns(validation, settings.max_rows), settings.parity_rows)
    log = runtime.log_file(context, f"parity-{model.asset}")
    with training_ids(model.path / "model", split_file(validation), turns, log) as trained:
        yield lambda engine: compare(engine, questions_of(turns), trained)


@contextlib.contextmanager
def _engine(
    context: dg.AssetExecutionContext, runtime: Runtime, name: str, checkpoint: Path, digest: str
) -> Iterator[Engine]:
    """What answers for this checkpoint, as the profile says; a server lives until the block is left."""
    settings, evaluation = runtime.profile.server, runtime.profile.evaluation
    if evaluation.engine == "transformers":
        with tempfile.TemporaryDirectory(prefix="fc-assets-generate-") as folder:
            run = partial(runtime.run_module, context, GENERATE, scratch=Path(folder))
            yield LocalModel(checkpoint, settings, evaluation.batch_size, digest, run)
        return
    log = runtime.log_file(context, f"evaluate-{name}-server")
    with serve(checkpoint, settings, name=name, log=log, model_digest=digest) as endpoint:
        context.log.info(f"{endpoint.base_url} serves {name} after {endpoint.info.start_s:.0f} s")
        yield ServedModel(endpoint, settings)


@contextlib.contextmanager
def _asked(
    context: dg.AssetExecutionContext,
    runtime: Runtime,
    key: dg.AssetKey,
    engine: Engine,
    questions: Sequence[Question],
    asking: Asking,
) -> Iterator[list[Answer]]:
    """The answers, gone on with from where an interrupted attempt was; once they are published its log is removed."""
    identity = resume_identity(str(engine.info["model_digest"]), questions, asking, engine.identity)
    folder = runtime.store.resume_folder(f"{key.to_user_string()}-{asking.decode}", identity)
    yield engine.ask(questions, asking, folder, context.log.info)
    shutil.rmtree(folder)


def _write_json(file: Path, value: object) -> None:
    file.write_text(json.dumps(value, indent=1, default=str) + "\n", encoding="utf-8")


ASSETS = [*(build_evaluation(variant, model_asset) for variant, model_asset in VARIANTS.items()), eval_report]
