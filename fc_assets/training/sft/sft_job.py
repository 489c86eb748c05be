"""Supervised fine-tuning of a LoRA adapter: `python -m fc_assets.training.sft.sft_job JOB.json`.

trl's SFTTrainer on prompt ids and completion ids; the loss sees the answer only. Differences to the usual recipe:
sequences that do not fit are left out and counted, never cut; passes are bounded in tokens (`sft_trainer`); and the
checkpoint that is kept is the one with the most exact matches on held-out turns, of several the one with the lowest
loss there (`probe`). The adapter is saved in peft's format with its tokenizer beside it. `merge_job` merges it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.profiles import SftSettings
from fc_assets.training.held_out import hold_out
from fc_assets.training.jobs import LearntSpan, LogRecord, SftJob, SftResult, SftRun
from fc_assets.training.sequences import EncodedTurn, allow_overlong, encode, encode_split
from fc_assets.training.sft.row_names import RowNames
from fc_assets.training.trainer.holding import alone_in_its_folder

_LOGGED = ("loss", "mean_token_accuracy", "learning_rate", "eval_loss", "eval_parse_rate", "eval_exact_match")
_SPANS = 10
_SPAN_CHARS = 400
"""Characters of the first learnt answer in the run's log; the report has all of it."""


@dataclass(frozen=True)
class TrainingData:
    """The turns that are learnt, those that are too long for it, and those that are held out for validation."""

    learnt: list[EncodedTurn]
    overlong: list[str]
    held_out: list[Turn]


@alone_in_its_folder
def train(job: SftJob, log: Log) -> SftRun:
    """Train the adapter, save it, and return what happened."""
    log.info("importing the trainer")
    from transformers import set_seed

    from fc_assets.training.trainer import checkpoints, running, tracking

    settings = job.settings
    running.use_physical_cores()
    set_seed(settings.seed)
    model, tokenizer = checkpoints.load_checkpoint(job.model, bf16=settings.bf16, four_bits=settings.qlora)
    data = training_data(tokenizer, read_turns(job.train, closing=True), settings)
    log.info(
        f"{len(data.learnt)} turns to learn, {len(data.overlong)} left out as longer than {settings.max_length} "
        f"tokens, {len(data.held_out)} held out for validation"
    )
    trainer = sft_trainer(job, model, tokenizer, data, log)
    spans = [LearntSpan(turn.id, tokenizer.decode(turn.learnt_ids)) for turn in data.learnt[:_SPANS]]
    log.info(f"first learnt span (row {spans[0].row}): {spans[0].text[:_SPAN_CHARS]!r}")
    trainable = checkpoints.count_parameters(trainer.model, trainable=True)
    total = checkpoints.count_parameters(trainer.model)

    tracking.track(trainer, job.events, job.trackers, log)
    run = running.run_trainer(trainer, job.checkpoints, log)
    if best := trainer.state.best_global_step:
        log.info(f"the checkpoint of step {best} is kept, the best on the held-out turns")
    checkpoints.save_adapter(trainer.model, job.base_source, job.out)
    checkpoints.copy_tokenizer(job.model, job.out)

    records = run.logged("loss")
    lengths = [len(turn.input_ids) for turn in data.learnt]
    report = SftResult(
        log=records,
        validation=[_validation(record) for record in run.logged("eval_loss")],
        best_step=best,
        steps=run.steps,
        final_loss=records[-1]["loss"],
        token_accuracy=records[-1]["mean_token_accuracy"],
        turns=len(data.learnt),
        held_out=len(data.held_out),
        overlong=data.overlong,
        tokens_mean=sum(lengths) / len(lengths),
        tokens_max=max(lengths),
        learnt_spans=spans,
        trainable_parameters=trainable,
        parameters=total,
    )
    return SftRun(report=report, cost=run.cost())


def training_data(tokenizer: Any, turns: Sequence[Turn], settings: SftSettings) -> TrainingData:
    """What `settings` makes of the training split. Raises `FcAssetsError` when nothing is left to learn."""
    rest, held = hold_out(turns, settings.validation_rows, "sft.validation_rows")
    learnt, overlong = encode_split(tokenizer, rest, settings.max_length)
    allow_overlong(overlong, settings.overlong, "sft", "max_length")
    judged = [turn for turn in held if not turn.closing]
    fitting = [turn for turn in judged if len(encode(tokenizer, turn).input_ids) <= settings.max_length]
    return TrainingData(learnt, overlong, fitting)


def sft_trainer(job: SftJob, model: Any, tokenizer: Any, data: TrainingData, log: Log) -> Any:
    """The trainer for `job`; `model` gets the adapter."""
    from datasets import Dataset
    from transformers import EarlyStoppingCallback
    from trl import SFTConfig

    from fc_assets.training.sft.probe import AnswerProbe
    from fc_assets.training.sft.sft_trainer import TokenBudgetTrainer
    from fc_assets.training.trainer import arguments, running, watching

    settings, held = job.settings, data.held_out
    stopping = [EarlyStoppingCallback(settings.early_stopping)] if held and settings.early_stopping else []
    return watching.watched(TokenBudgetTrainer, watching.Watch("sft", settings, RowNames(data.learnt)))(
        model=model,
        args=SFTConfig(
            **arguments.shared_arguments(settings, job.checkpoints),
            **(_validating(settings, len(held)) if held else {}),
            per_device_train_batch_size=settings.rows_per_step,
            num_train_epochs=settings.epochs,
            max_steps=settings.max_steps,
            max_length=settings.max_length,
            completion_only_loss=True,
        ),
        train_dataset=Dataset.from_list([_columns(turn) for turn in data.learnt]),
        eval_dataset=Dataset.from_list([_columns(encode(tokenizer, turn)) for turn in held]) if held else None,
        processing_class=tokenizer,
        peft_config=arguments.lora_config(settings.lora),
        callbacks=[running.RunLogCallback(log, _LOGGED), *stopping],
        micro_batch_tokens=settings.micro_batch_tokens,
        judge_answers=AnswerProbe(tokenizer, held, settings.micro_batch_tokens) if held else None,
    )


def _validating(settings: SftSettings, turns: int) -> dict[str, Any]:
    """SFTConfig's arguments for validating at every save, all turns as one batch, and keeping the best checkpoint."""
    from fc_assets.training.sft.sft_trainer import SELECTION

    return {
        "eval_strategy": "steps",
        "eval_steps": settings.save_every,
        "per_device_eval_batch_size": turns,
        "load_best_model_at_end": True,
        "metric_for_best_model": SELECTION,
        "greater_is_better": True,
        # Else an attempt that resumes would count the validations without a better checkpoint anew.
        "restore_callback_states_from_checkpoint": bool(settings.early_stopping),
    }


def _columns(turn: EncodedTurn) -> dict[str, list[int]]:
    return {"input_ids": turn.input_ids, "completion_mask": turn.completion_mask}


def _validation(record: LogRecord) -> LogRecord:
    """A validation's figures without their prefix, and without what it took."""
    names = ("loss", "mean_token_accuracy", "parse_rate", "exact_match")
    return {"step": record["step"], "epoch": record["epoch"], **{name: record[f"eval_{name}"] for name in names}}


if __name__ == "__main__":
    run_job(SftJob, train)
