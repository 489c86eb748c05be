"""The same fine-tuning in LLaMA-Factory's words: a YAML file for `llamafactory-cli train`, made from the profile.

It lies beside the adapter, so that who knows LLaMA-Factory can read there how the adapter was made, and make it again.
Keys are those of LLaMA-Factory 0.9.5. Where its sequences differ from ours is in `docs/llama-factory.md`, and a test
compares them id by id. Training does not belong here; the data set's own description is `data.rows.sharegpt`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from fc_assets.names import LLAMA_FACTORY, SHAREGPT_TRAIN
from fc_assets.profiles import DataSettings, LoraSettings, SftSettings
from fc_assets.training.jobs import CheckpointSource

_ALL_LINEAR = {"all-linear": "all"}
"""peft's word for every linear layer, and LLaMA-Factory's."""
_HEADER = f"""\
# This adapter's fine-tuning for LLaMA-Factory 0.9.5, from the settings that made it. Folders differ from machine to
# machine, so they are named on the command line; where the base model is not on the hub, model_name_or_path too:
#   llamafactory-cli train {LLAMA_FACTORY} dataset_dir=FOLDER_OF_{SHAREGPT_TRAIN} output_dir=NEW_FOLDER
"""


def arguments(settings: SftSettings, base: CheckpointSource, data: DataSettings) -> dict[str, Any]:
    """LLaMA-Factory's arguments for an adapter of `base`, trained with `settings` on a split made with `data`.

    No folder is among them: neither where the data lies nor where the result goes.
    """
    return {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": base.name,
        **({"model_revision": base.revision} if base.revision else {}),
        **_adapter(settings.lora),
        **({"quantization_method": "bnb", "quantization_bit": 4} if settings.qlora else {}),
        **_sequences(settings, data),
        **_batches(settings),
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.scheduler,
        "warmup_ratio": settings.warmup_share,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps,
        "bf16": settings.bf16,
        "disable_gradient_checkpointing": not settings.gradient_checkpointing,
        "logging_steps": settings.log_every,
        "save_steps": settings.save_every,
        "report_to": "none",
        "seed": settings.seed,
    }


def write_arguments(file: Path, settings: SftSettings, base: CheckpointSource, data: DataSettings) -> None:
    """Write `arguments` to the YAML file `file`, with how to use it as a comment. The same settings, the same bytes."""
    text = yaml.safe_dump(arguments(settings, base, data), sort_keys=False, allow_unicode=True)
    file.write_text(_HEADER + text, encoding="utf-8")


def _adapter(lora: LoraSettings) -> dict[str, Any]:
    return {
        "finetuning_type": "lora",
        "lora_rank": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "use_rslora": lora.rslora,
        "lora_target": _ALL_LINEAR.get(lora.target_modules, lora.target_modules),
    }


def _sequences(settings: SftSettings, data: DataSettings) -> dict[str, Any]:
    """What makes LLaMA-Factory's sequences ours: an empty think block that is learnt, and no loss on the prompt.

    `template: qwen3` puts a new line behind the end of an answer. Naming the tool format leaves it out behind calls,
    as in ours; behind earlier turns of a conversation it belongs, so conversations keep it.
    """
    one_turn_a_row = not (data.hermes.weight or data.episodes.weight or data.curation.observations)
    return {
        "dataset": SHAREGPT_TRAIN,
        "template": "qwen3",
        "enable_thinking": True,
        **({"tool_format": "qwen"} if one_turn_a_row else {}),
        "train_on_prompt": False,
        "cutoff_len": settings.max_length,
    }


def _batches(settings: SftSettings) -> dict[str, Any]:
    """A step of as many rows as ours, in passes of equally many rows that fit even where all are of full length.

    LLaMA-Factory has no passes that are bounded in tokens.
    """
    fitting = max(1, settings.micro_batch_tokens // settings.max_length)
    in_a_pass = max(rows for rows in range(1, fitting + 1) if settings.rows_per_step % rows == 0)
    return {
        "per_device_train_batch_size": in_a_pass,
        "gradient_accumulation_steps": settings.rows_per_step // in_a_pass,
    }
