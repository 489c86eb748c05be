"""Supervised fine-tuning of a LoRA adapter: `python -m fc_assets.training.sft_job JOB.json`.

trl's SFTTrainer on prompt ids and completion ids; the loss sees the answer only. Differences to the usual recipe:
sequences that do not fit are left out and counted, never cut. The adapter is saved in peft's format with its tokenizer
beside it; merging is `merge`'s work.

Job: model (folder), model_name, train (ShareGPT file), settings (an `SftSettings`), out (folder), checkpoints (folder,
survives a kill), result (path).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import read_turns
from fc_assets.foundation.jobs import Job, Log, run_child
from fc_assets.training.sequences import encode_split


def train(job: Job, log: Log) -> Mapping[str, Any]:
    """Train the adapter and return what happened: log records, steps, tokens, seconds, memory, rows left out."""
    log.info("importing the trainer")
    from datasets import Dataset
    from transformers import set_seed
    from trl import SFTConfig, SFTTrainer

    from fc_assets.training import trainer_setup as setup

    settings, out, checkpoints = job["settings"], Path(job["out"]), Path(job["checkpoints"])
    setup.use_physical_cores()
    set_seed(settings["seed"])
    model, tokenizer = setup.load_checkpoint(job["model"], bf16=settings["bf16"])
    turns = read_turns(Path(job["train"]))
    kept, overlong = encode_split(tokenizer, turns, settings["max_length"])
    log.info(f"{len(kept)} turns to learn, {len(overlong)} left out as longer than {settings['max_length']} tokens")

    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(checkpoints),
            per_device_train_batch_size=settings["batch_size"],
            gradient_accumulation_steps=settings["gradient_accumulation"],
            learning_rate=settings["learning_rate"],
            lr_scheduler_type=settings["scheduler"],
            warmup_steps=settings["warmup_share"],
            num_train_epochs=settings["epochs"],
            max_steps=settings["max_steps"],
            max_length=settings["max_length"],
            completion_only_loss=True,
            bf16=settings["bf16"],
            gradient_checkpointing=settings["gradient_checkpointing"],
            logging_steps=settings["log_every"],
            save_steps=settings["save_every"],
            save_total_limit=2,
            seed=settings["seed"],
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=settings["bf16"],
        ),
        train_dataset=Dataset.from_list(
            [{"input_ids": example.input_ids, "completion_mask": example.completion_mask} for example in kept]
        ),
        processing_class=tokenizer,
        peft_config=setup.lora_config(settings["lora"]),
        callbacks=[setup.Progress(log, ("loss", "mean_token_accuracy", "learning_rate"))],
    )
    learnt = tokenizer.decode([i for i, m in zip(kept[0].input_ids, kept[0].completion_mask, strict=True) if m])
    log.info(f"first learnt span (row {kept[0].id}): {learnt[:400]!r}")
    trainable, total = setup.trainable_parameters(trainer.model)

    started = time.monotonic()
    outcome = trainer.train(resume_from_checkpoint=setup.resume_from(checkpoints, log))
    seconds = time.monotonic() - started
    # The name, not the path: a path of this machine means nothing elsewhere. peft would then ask the hub whether the
    # vocabulary was resized, hence `save_embedding_layers`.
    trainer.model.peft_config["default"].base_model_name_or_path = job["model_name"]
    trainer.model.save_pretrained(out, safe_serialization=True, save_embedding_layers=False)
    tokenizer.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)  # peft's card is an empty form; the release writes a real one
    shutil.rmtree(checkpoints, ignore_errors=True)

    records = [record for record in trainer.state.log_history if "loss" in record]
    return {
        "log": records,
        "steps": outcome.global_step,
        "seconds": seconds,
        "final_loss": records[-1]["loss"],
        "token_accuracy": records[-1].get("mean_token_accuracy"),
        "turns": len(kept),
        "overlong": overlong,
        "tokens_mean": sum(len(example.input_ids) for example in kept) / len(kept),
        "tokens_max": max(len(example.input_ids) for example in kept),
        "learnt_span": learnt,
        "trainable_parameters": trainable,
        "parameters": total,
        **setup.peak_memory_mb(),
    }


if __name__ == "__main__":
    run_child(train)
