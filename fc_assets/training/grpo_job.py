"""Group-relative policy optimisation: `python -m fc_assets.training.grpo_job JOB.json`.

trl's GRPOTrainer on the merged SFT model with a fresh LoRA adapter, rewarded by `calls.rewards`. Prompts are rendered
strings (the trainer would ignore a row's tools otherwise), with thinking off. Rows whose own expected answer does not
earn the full reward are left out and counted: they would cap what the policy can learn. The policy is saved merged,
ready to serve, with its adapter beside it. The rewards' definitions do not belong here.

Job: model (folder), model_name, train (ShareGPT file), settings (a `GrpoSettings`), max_difference (of logits after
the merge), out (folder for `model/` and `adapter/`), checkpoints (folder, survives a kill), result (path).
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.calls.prompts import render_prompt
from fc_assets.calls.rewards import rewards
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.jobs import Job, Log, run_child
from fc_assets.training.merge_job import fold

SAMPLES_KEPT = 6
"""Completions shown from the first step and from the last."""
TURNS_COMPARED = 16


class RewardBoard:
    """Judges a batch of completions once and hands out each signal as a reward function of its own, so that trl logs
    every signal."""

    def __init__(self, turns: Mapping[str, Turn], weights: Mapping[str, float]) -> None:
        self.turns = turns
        self.weights = weights
        self._batch: tuple[tuple[str, str], ...] = ()
        self._scores: list[Mapping[str, float]] = []
        self.first: list[dict[str, Any]] = []
        self.last: list[dict[str, Any]] = []

    def functions(self) -> list[Callable[..., list[float]]]:
        """One trl reward function for each signal, named after it."""
        return [self._function(name) for name in self.weights]

    def _function(self, name: str) -> Callable[..., list[float]]:
        def judge(completions: Sequence[str], turn_id: Sequence[str], **_: Any) -> list[float]:
            return [score[name] for score in self._judge(completions, turn_id)]

        judge.__name__ = name
        return judge

    def _judge(self, completions: Sequence[str], turn_ids: Sequence[str]) -> list[Mapping[str, float]]:
        batch = tuple(zip(turn_ids, completions, strict=True))
        if batch != self._batch:
            self._batch = batch
            self._scores = [self.score(turn_id, text) for turn_id, text in batch]
            self.last = [
                {"row": turn_id, "completion": text, "reward": self.total(score)}
                for (turn_id, text), score in zip(batch[:SAMPLES_KEPT], self._scores, strict=False)
            ]
            self.first = self.first or self.last
        return self._scores

    def score(self, turn_id: str, text: str) -> Mapping[str, float]:
        """Every signal for one completion of one turn."""
        turn = self.turns[turn_id]
        judged = rewards(text, turn.tools, turn.calls)
        return {name: float(getattr(judged, name)) for name in self.weights}

    def total(self, score: Mapping[str, float]) -> float:
        """The weighted sum that the trainer maximises."""
        return sum(self.weights[name] * value for name, value in score.items())


def learnable(board: RewardBoard, turns: Sequence[Turn]) -> tuple[list[Turn], list[str]]:
    """Turns whose expected answer earns the full reward, and the ids of the others."""
    full = sum(board.weights.values())
    capped = [turn.id for turn in turns if board.total(board.score(turn.id, turn.answer)) < full - 1e-9]
    left_out = set(capped)
    return [turn for turn in turns if turn.id not in left_out], capped


def draw_prompts(turns: Sequence[Turn], count: int, no_call_share: float, seed: int) -> list[Turn]:
    """`count` turns in random order, of which `no_call_share` expect no call; repeated once all of a kind are drawn.

    Rewards on calls pull the whole policy towards calling: without its share of rows where silence is right, GRPO
    unlearns what SFT taught about refusing. Where one kind of turn is missing, all are of the other.
    """
    rng = random.Random(seed)
    silent, calling = [turn for turn in turns if not turn.calls], [turn for turn in turns if turn.calls]
    rng.shuffle(silent)
    rng.shuffle(calling)
    wanted = round(count * no_call_share) if calling else count
    drawn = [*islice(cycle(silent), wanted)]
    drawn += islice(cycle(calling), count - len(drawn))
    rng.shuffle(drawn)
    return drawn


def batch_size(settings: Mapping[str, Any]) -> int:
    """Completions per device and backward pass. Raises `FcAssetsError` when the numbers do not divide."""
    completions = settings["prompts_per_step"] * settings["generations"]
    if completions % settings["gradient_accumulation"]:
        raise FcAssetsError(
            f"grpo.prompts_per_step x grpo.generations = {completions} must be a multiple of "
            f"grpo.gradient_accumulation = {settings['gradient_accumulation']}; change one of the three"
        )
    return completions // settings["gradient_accumulation"]


def train(job: Job, log: Log) -> Mapping[str, Any]:
    """Optimise the policy, merge it, and return what happened: log records, samples, seconds, memory, rows left out."""
    settings, out, checkpoints = job["settings"], Path(job["out"]), Path(job["checkpoints"])
    per_device = batch_size(settings)
    log.info("importing the trainer")
    from datasets import Dataset
    from transformers import set_seed
    from trl import GRPOConfig, GRPOTrainer

    from fc_assets.training import trainer_setup as setup

    setup.use_physical_cores()
    set_seed(settings["seed"])
    model, tokenizer = setup.load_checkpoint(job["model"], bf16=settings["bf16"])
    turns = read_turns(Path(job["train"]))
    board = RewardBoard({turn.id: turn for turn in turns}, settings["rewards"])
    kept, capped = learnable(board, turns)
    if not kept:
        raise FcAssetsError("No training row earns the full reward with its own expected answer; look at the split")
    kept = draw_prompts(
        kept, settings["steps"] * settings["prompts_per_step"], settings["no_call_share"], settings["seed"]
    )
    log.info(f"{len(kept)} prompts, {len(capped)} rows left out because their own answer does not earn the full reward")

    on_gpu = settings["bf16"]
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=board.functions(),
        args=GRPOConfig(
            output_dir=str(checkpoints),
            per_device_train_batch_size=per_device,
            gradient_accumulation_steps=settings["gradient_accumulation"],
            num_generations=settings["generations"],
            max_steps=settings["steps"],
            learning_rate=settings["learning_rate"],
            lr_scheduler_type=settings["scheduler"],
            warmup_steps=settings["warmup_share"],
            beta=settings["beta"],
            temperature=settings["temperature"],
            max_completion_length=settings["max_completion"],
            mask_truncated_completions=True,
            loss_type="dapo",
            reward_weights=list(settings["rewards"].values()),
            bf16=settings["bf16"],
            gradient_checkpointing=settings["gradient_checkpointing"],
            use_vllm=settings["vllm_colocate"],
            vllm_mode="colocate",
            vllm_gpu_memory_utilization=settings["vllm_memory_share"],
            vllm_importance_sampling_correction=True,
            logging_steps=settings["log_every"],
            save_steps=settings["save_every"],
            save_total_limit=2,
            seed=settings["seed"],
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=on_gpu,
        ),
        train_dataset=Dataset.from_list(
            [
                {"prompt": render_prompt(tokenizer, turn.messages, turn.tools, thinking_off=True), "turn_id": turn.id}
                for turn in kept
            ]
        ),
        processing_class=tokenizer,
        peft_config=setup.lora_config(settings["lora"]),
        callbacks=[setup.Progress(log, ("reward", "loss", "completions/mean_length"))],
    )
    trainable, total = setup.trainable_parameters(trainer.model)
    started = time.monotonic()
    outcome = trainer.train(resume_from_checkpoint=setup.resume_from(checkpoints, log))
    seconds = time.monotonic() - started

    policy = trainer.model
    policy.peft_config["default"].base_model_name_or_path = job["model_name"]
    policy.save_pretrained(out / "adapter", safe_serialization=True, save_embedding_layers=False)
    (out / "adapter" / "README.md").unlink(missing_ok=True)
    folded = fold(policy, tokenizer, kept[:TURNS_COMPARED], job["max_difference"], log)
    folded.model.save_pretrained(out / "model", safe_serialization=True)
    tokenizer.save_pretrained(out / "model")
    shutil.rmtree(checkpoints, ignore_errors=True)
    return {
        "log": [record for record in trainer.state.log_history if "reward" in record],
        "steps": outcome.global_step,
        "seconds": seconds,
        "prompts": len(kept),
        "capped": capped,
        "first_samples": board.first,
        "last_samples": board.last,
        "max_logit_difference": folded.max_logit_difference,
        "adapter_effect": folded.adapter_effect,
        "trainable_parameters": trainable,
        "parameters": total,
        **setup.peak_memory_mb(),
    }


if __name__ == "__main__":
    run_child(train)
