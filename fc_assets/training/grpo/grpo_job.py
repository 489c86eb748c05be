"""Group-relative policy optimisation: `python -m fc_assets.training.grpo.grpo_job JOB.json`.

trl's GRPOTrainer on the merged SFT model with a fresh LoRA adapter, rewarded by `calls.rewards`. Prompts are rendered
strings (the trainer would ignore a row's tools otherwise), with thinking off. Rows whose own expected answer does not
earn the full reward are left out and counted. The policy is published as `merging.policy` says. The rewards'
definitions do not belong here.
"""

from __future__ import annotations

import shutil
from typing import Any

from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.calls.prompts import render_prompt
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.profiles import GrpoSettings
from fc_assets.training.grpo.prompt_selection import draw_turns, without_capped_turns
from fc_assets.training.grpo.reward_functions import RewardFunctions
from fc_assets.training.jobs import GrpoJob, GrpoResult, GrpoRun
from fc_assets.training.merging.policy import publish_policy

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

    from fc_assets.training.trainer import checkpoints, running

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

    run = running.run_trainer(trainer, job.checkpoints, log)
    published = publish_policy(job, trainer.model, tokenizer, drawn, log, bf16=settings.bf16)
    shutil.rmtree(job.checkpoints, ignore_errors=True)

    report = GrpoResult(
        log=run.logged("reward"),
        steps=run.steps,
        prompts=len(drawn),
        capped=capped,
        first_samples=rewards.first_samples,
        last_samples=rewards.last_samples,
        max_logit_difference=published.max_logit_difference,
        adapter_effect=published.adapter_effect,
        adapter_difference=published.adapter_difference,
        trainable_parameters=trainable,
        parameters=total,
    )
    return GrpoRun(report=report, cost=run.cost())


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
