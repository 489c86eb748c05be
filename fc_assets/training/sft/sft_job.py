"""Supervised fine-tuning of a LoRA adapter: `python -m fc_assets.training.sft.sft_job JOB.json`.

trl's SFTTrainer on prompt ids and completion ids; the loss sees the answer only. Differences to the usual recipe:
sequences that do not fit are left out and counted, never cut. The adapter is saved in peft's format with its tokenizer
beside it. `merge_job` merges it.
"""

from __future__ import annotations

from typing import Any

from fc_assets.calls.conversations import read_turns
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.training.jobs import SftJob, SftResult, SftRun
from fc_assets.training.sequences import EncodedTurn, encode_split
from fc_assets.training.sft.row_names import RowNames
from fc_assets.training.trainer.holding import alone_in_its_folder

_LOGGED = ("loss", "mean_token_accuracy", "learning_rate")
_SPAN_CHARS = 400
"""Characters of the first learnt answer in the run's log; the report has all of it."""


@alone_in_its_folder
def train(job: SftJob, log: Log) -> SftRun:
    """Train the adapter, save it, and return what happened."""
    log.info("importing the trainer")
    from transformers import set_seed

    from fc_assets.training.trainer import checkpoints, running

    settings = job.settings
    running.use_physical_cores()
    set_seed(settings.seed)
    model, tokenizer = checkpoints.load_checkpoint(job.model, bf16=settings.bf16)
    kept, overlong = encode_split(tokenizer, read_turns(job.train), settings.max_length)
    log.info(f"{len(kept)} turns to learn, {len(overlong)} left out as longer than {settings.max_length} tokens")
    trainer = _trainer(job, model, tokenizer, kept, log)
    learnt_span = tokenizer.decode(kept[0].learnt_ids)
    log.info(f"first learnt span (row {kept[0].id}): {learnt_span[:_SPAN_CHARS]!r}")
    trainable = checkpoints.count_parameters(trainer.model, trainable=True)
    total = checkpoints.count_parameters(trainer.model)

    run = running.run_trainer(trainer, job.checkpoints, log)
    checkpoints.save_adapter(trainer.model, job.base_source, job.out)
    tokenizer.save_pretrained(job.out)

    records = run.logged("loss")
    report = SftResult(
        log=records,
        steps=run.steps,
        final_loss=records[-1]["loss"],
        token_accuracy=records[-1]["mean_token_accuracy"],
        turns=len(kept),
        overlong=overlong,
        tokens_mean=sum(len(turn.input_ids) for turn in kept) / len(kept),
        tokens_max=max(len(turn.input_ids) for turn in kept),
        learnt_span=learnt_span,
        trainable_parameters=trainable,
        parameters=total,
    )
    return SftRun(report=report, cost=run.cost())


def _trainer(job: SftJob, model: Any, tokenizer: Any, turns: list[EncodedTurn], log: Log) -> Any:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from fc_assets.training.trainer import arguments, running, watching

    settings = job.settings
    return watching.watched(SFTTrainer, watching.Watch("sft", settings, RowNames(turns)))(
        model=model,
        args=SFTConfig(
            **arguments.shared_arguments(settings, job.checkpoints),
            per_device_train_batch_size=settings.batch_size,
            num_train_epochs=settings.epochs,
            max_steps=settings.max_steps,
            max_length=settings.max_length,
            completion_only_loss=True,
        ),
        train_dataset=Dataset.from_list(
            [{"input_ids": turn.input_ids, "completion_mask": turn.completion_mask} for turn in turns]
        ),
        processing_class=tokenizer,
        peft_config=arguments.lora_config(settings.lora),
        callbacks=[running.RunLogCallback(log, _LOGGED)],
    )


if __name__ == "__main__":
    run_job(SftJob, train)
