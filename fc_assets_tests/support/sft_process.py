"""One process of a data-parallel SFT: a step of the embedded model whose rows are split over the processes.

Run by torchrun: `-m fc_assets_tests.support.sft_process SPLIT OUT ROWS`, where `ROWS` are those of one process. The
first process writes the step's gradients and log to `OUT`.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import SFTConfig

from fc_assets.calls.conversations import read_turns
from fc_assets.profiles import EMBEDDED, LoraSettings
from fc_assets.training.sequences import encode
from fc_assets.training.sft.sft_trainer import TokenBudgetTrainer
from fc_assets.training.trainer.arguments import lora_config
from fc_assets.training.trainer.checkpoints import load_checkpoint

MICRO_BATCH_TOKENS = 300
FIGURES = ("loss", "mean_token_accuracy", "entropy", "num_tokens")


class Keep(TrainerCallback):
    """The gradients of the only step."""

    def __init__(self) -> None:
        self.gradients: dict[str, torch.Tensor] = {}

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any, **_: Any) -> None:
        self.gradients = {
            name.removeprefix("module."): weight.grad.clone()
            for name, weight in model.named_parameters()
            if weight.grad is not None
        }


def main(split: Path, out: Path, rows: int) -> None:
    """Train one step and keep what it did."""
    model, tokenizer = load_checkpoint(EMBEDDED, bf16=False)
    turns = [encode(tokenizer, turn) for turn in read_turns(split)]
    keep = Keep()
    trainer = TokenBudgetTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(out.with_suffix(".trainer")),
            per_device_train_batch_size=rows,
            max_steps=1,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            completion_only_loss=True,
            max_length=2048,
            ddp_backend="gloo",
        ),
        train_dataset=Dataset.from_list(
            [{"input_ids": turn.input_ids, "completion_mask": turn.completion_mask} for turn in turns]
        ),
        processing_class=tokenizer,
        peft_config=lora_config(LoraSettings(rank=4, alpha=8, dropout=0.0)),
        callbacks=[keep],
        micro_batch_tokens=MICRO_BATCH_TOKENS,
    )
    trainer.train()
    if trainer.is_world_process_zero():
        log = next(record for record in trainer.state.log_history if "loss" in record)
        torch.save({"gradients": keep.gradients, "log": {name: log[name] for name in FIGURES}}, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
