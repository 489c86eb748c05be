"""Direct preference optimisation: `python -m fc_assets.training.dpo.dpo_job JOB.json`.

trl's DPOTrainer on the merged SFT model with a fresh LoRA adapter; the reference is the same model with the adapter
off, so no second one is in memory. Nothing is cut: pairs that do not fit were left out when they were made. The policy
is published as `merging.policy` says. Which pairs there are is `pairs_job`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.calls.prompts import render_prompt
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.training.dpo.jobs import DpoJob, DpoRun, DpoTrainingResult
from fc_assets.training.dpo.pairs import PreferencePair, read_pairs
from fc_assets.training.merging.policy import Ancestors, publish_policy
from fc_assets.training.trainer.holding import alone_in_its_folder
from fc_assets.training.training_log import PREFERENCE_ACCURACY, PREFERENCE_MARGIN

_LOGGED = ("loss", PREFERENCE_MARGIN, PREFERENCE_ACCURACY)


@alone_in_its_folder
def train(job: DpoJob, log: Log) -> DpoRun:
    """Optimise the policy, publish it, and return what happened."""
    log.info("importing the trainer")
    from transformers import set_seed

    from fc_assets.training.trainer import checkpoints, running, tracking

    settings = job.settings
    running.use_physical_cores()
    set_seed(settings.seed)
    model, tokenizer = checkpoints.load_checkpoint(job.model, bf16=settings.bf16)
    turns = {turn.id: turn for turn in read_turns(job.train)}
    pairs = read_pairs(job.pairs)
    log.info(f"{len(pairs)} pairs")
    trainer = _trainer(job, model, tokenizer, pairs, turns, log)
    trainable = checkpoints.count_parameters(trainer.model, trainable=True)
    total = checkpoints.count_parameters(trainer.model)

    tracking.track(trainer, job.events, job.trackers, log)
    run = running.run_trainer(trainer, job.checkpoints, log)
    cost = run.cost()
    learnt = [turns[pair.row] for pair in pairs]
    # In the step's own folder, beside what is published: it is swept away after a KILL.
    with tempfile.TemporaryDirectory(prefix="adapter-", dir=job.out.parent) as folder:
        checkpoints.save_adapter(trainer.model, job.base_source, Path(folder))
        del trainer, model  # publishing needs the memory
        running.release_memory()
        ancestors = Ancestors(job.model, job.base, job.base_source, job.sft_adapter)
        merged, adapter_rounding_kl = publish_policy(
            Path(folder), ancestors, job.out, learnt, job.bounds, log, bf16=settings.bf16
        )

    report = DpoTrainingResult(
        log=run.logged(PREFERENCE_MARGIN),
        steps=run.steps,
        merge=merged,
        adapter_rounding_kl=adapter_rounding_kl,
        trainable_parameters=trainable,
        parameters=total,
    )
    return DpoRun(report=report, cost=cost)


def _trainer(
    job: DpoJob, model: Any, tokenizer: Any, pairs: Sequence[PreferencePair], turns: dict[str, Turn], log: Log
) -> Any:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    from fc_assets.training.trainer import arguments, running, watching

    settings = job.settings
    return watching.watched(DPOTrainer, watching.Watch("dpo", settings, _row_names))(
        model=model,
        args=DPOConfig(
            **arguments.shared_arguments(settings, job.checkpoints),
            per_device_train_batch_size=settings.batch_size,
            gradient_accumulation_steps=settings.gradient_accumulation,
            num_train_epochs=settings.epochs,
            max_steps=settings.max_steps,
            beta=settings.beta,
            max_length=None,
        ),
        train_dataset=Dataset.from_list(
            [
                {
                    "prompt": render_prompt(
                        tokenizer, turns[pair.row].messages, turns[pair.row].tools, thinking_off=True
                    ),
                    "chosen": pair.best,
                    "rejected": pair.worst,
                }
                for pair in pairs
            ]
        ),
        processing_class=tokenizer,
        peft_config=arguments.lora_config(settings.lora),
        callbacks=[running.RunLogCallback(log, _LOGGED)],
    )


def _row_names(_: Any) -> list[str]:
    """None: trl's collator leaves the rows' ids out of a batch."""
    return []


if __name__ == "__main__":
    run_job(DpoJob, train)
