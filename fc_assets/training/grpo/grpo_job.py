"""Group-relative policy optimisation: `python -m fc_assets.training.grpo.grpo_job JOB.json`.

trl's GRPOTrainer on the merged SFT model with a fresh LoRA adapter, rewarded by `calls.rewards`. Prompts are rendered
strings (the trainer would ignore a row's tools otherwise), with thinking off. Rows whose own expected answer does not
earn the full reward are left out and counted. The policy is saved merged, ready to serve. The adapter beside it holds
SFT and GRPO as one, so that the base model and it give the policy: the one that was trained fits only the merged SFT
model, which has no name elsewhere. The rewards' definitions do not belong here.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.calls.prompts import render_prompt
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.names import ADAPTER_FOLDER, MODEL_FOLDER
from fc_assets.profiles import GrpoSettings
from fc_assets.training.grpo.prompt_selection import draw_turns, without_capped_turns
from fc_assets.training.grpo.reward_functions import RewardFunctions
from fc_assets.training.jobs import GrpoJob, GrpoResult, GrpoRun
from fc_assets.training.merging.adapters import as_one_adapter, merge_adapter, require_same_model

_LOGGED = ("reward", "loss", "completions/mean_length")


def completions_per_pass(settings: GrpoSettings) -> int:
    """Completions per device and backward pass. Raises `FcAssetsError` when the numbers do not divide."""
    completions = settings.prompts_per_step * settings.generations
    if completions % settings.gradient_accumulation:
        raise FcAssetsError(
            f"grpo.prompts_per_step x grpo.generations = {completions} must be a multiple of "
            f"grpo.gradient_accumulation = {settings.gradient_accumulation}; change one of the three"
        )
    return completions // settings.gradient_accumulation


def train(job: GrpoJob, log: Log) -> GrpoRun:
    """Optimise the policy, merge its adapter, save both, and return what happened."""
    settings = job.settings
    completions_per_pass(settings)  # before the slow imports: a setting that does not divide is found at once
    log.info("importing the trainer")
    from transformers import set_seed

    from fc_assets.training.trainer import checkpoints, running, tracking

    running.use_physical_cores()
    set_seed(settings.seed)
    model, tokenizer = checkpoints.load_checkpoint(job.model, bf16=settings.bf16)
    reward_weights: dict[str, float] = settings.rewards.model_dump()
    kept, capped = without_capped_turns(read_turns(job.train), reward_weights)
    if not kept:
        raise FcAssetsError("No training row earns the full reward with its own expected answer; look at the split")
    drawn = draw_turns(kept, settings.steps * settings.prompts_per_step, settings.no_call_share, settings.seed)
    log.info(
        f"{len(drawn)} prompts, {len(capped)} rows left out because their own answer does not earn the full reward"
    )
    rewards = RewardFunctions(drawn, reward_weights)
    trainer = _trainer(job, model, tokenizer, drawn, rewards, log)
    trainable = checkpoints.count_parameters(trainer.model, trainable=True)
    total = checkpoints.count_parameters(trainer.model)

    tracking.track(trainer, job.events, job.trackers, log)
    run = running.run_trainer(trainer, job.checkpoints, log)
    _save_adapter(job, trainer.model)
    merged = merge_adapter(trainer.model, tokenizer, drawn, job.max_difference, log)
    merged.model.save_pretrained(job.out / MODEL_FOLDER, safe_serialization=True)
    tokenizer.save_pretrained(job.out / MODEL_FOLDER)
    # Two merges were rounded on the way to the checkpoint, SFT's and this one; the adapter knows neither.
    adapter_difference = require_same_model(
        _as_published(job).to(merged.model.device), merged.model, tokenizer, drawn, 2 * job.max_difference, log
    )
    shutil.rmtree(job.checkpoints, ignore_errors=True)

    report = GrpoResult(
        log=run.logged("reward"),
        steps=run.steps,
        prompts=len(drawn),
        capped=capped,
        first_samples=rewards.first_samples,
        last_samples=rewards.last_samples,
        max_logit_difference=merged.max_logit_difference,
        adapter_effect=merged.adapter_effect,
        adapter_difference=adapter_difference,
        trainable_parameters=trainable,
        parameters=total,
    )
    return GrpoRun(report=report, cost=run.cost())


def _save_adapter(job: GrpoJob, trained: Any) -> None:
    """Save the SFT adapter and the trained one as one adapter of the base."""
    from fc_assets.training.trainer import checkpoints

    base, _ = checkpoints.load_checkpoint(job.base, bf16=False)
    with tempfile.TemporaryDirectory(prefix="fc-assets-adapter-") as folder:
        checkpoints.save_adapter(trained, job.base_source, Path(folder))
        one = as_one_adapter(base, [job.sft_adapter, Path(folder)])
    checkpoints.save_adapter(one, job.base_source, job.out / ADAPTER_FOLDER)


def _as_published(job: GrpoJob) -> Any:
    """The base model with the adapter that was saved, as somebody who has only these two loads them."""
    from peft import PeftModel

    from fc_assets.training.trainer import checkpoints

    base, _ = checkpoints.load_checkpoint(job.base, bf16=job.settings.bf16)
    return PeftModel.from_pretrained(base, str(job.out / ADAPTER_FOLDER))


def _trainer(job: GrpoJob, model: Any, tokenizer: Any, turns: list[Turn], rewards: RewardFunctions, log: Log) -> Any:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from fc_assets.training.trainer import arguments, running

    settings = job.settings
    return GRPOTrainer(
        model=model,
        reward_funcs=rewards.functions,
        args=GRPOConfig(
            **arguments.shared_arguments(settings, job.checkpoints),
            gradient_accumulation_steps=settings.gradient_accumulation,
            per_device_train_batch_size=completions_per_pass(settings),
            num_generations=settings.generations,
            max_steps=settings.steps,
            beta=settings.beta,
            temperature=settings.temperature,
            max_completion_length=settings.max_completion,
            mask_truncated_completions=True,
            loss_type="dapo",
            reward_weights=list(rewards.weights.values()),
            use_vllm=settings.vllm_colocate,
            vllm_mode="colocate",
            vllm_gpu_memory_utilization=settings.vllm_memory_share,
            vllm_importance_sampling_correction=True,
        ),
        train_dataset=Dataset.from_list(
            [
                {"prompt": render_prompt(tokenizer, turn.messages, turn.tools, thinking_off=True), "turn_id": turn.id}
                for turn in turns
            ]
        ),
        processing_class=tokenizer,
        peft_config=arguments.lora_config(settings.lora),
        callbacks=[running.RunLogCallback(log, _LOGGED)],
    )


if __name__ == "__main__":
    run_job(GrpoJob, train)
