"""Group-relative policy optimisation: `python -m fc_assets.training.grpo.grpo_job JOB.json`.

trl's GRPOTrainer on the merged SFT model with a fresh LoRA adapter, rewarded by `calls.rewards`. Prompts are rendered
strings (the trainer would ignore a row's tools otherwise), with thinking off. Which turns are asked is
`prompt_selection` and `candidates`. The policy is saved merged, ready to serve. The adapter beside it holds
SFT and GRPO as one, so that the base model and it give the policy: the one that was trained fits only the merged SFT
model, which has no name elsewhere. The rewards' definitions do not belong here.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.calls.prompts import render_prompt
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.names import ADAPTER_FOLDER, MODEL_FOLDER
from fc_assets.profiles import GrpoSettings
from fc_assets.training.grpo.candidates import Found, Sampler, teaching_turns
from fc_assets.training.grpo.prompt_selection import Askable, askable_turns, draw_turns
from fc_assets.training.grpo.reward_functions import RewardFunctions
from fc_assets.training.jobs import GrpoJob, GrpoResult, GrpoRun
from fc_assets.training.merging.adapters import as_one_adapter, merge_adapter, require_same_model
from fc_assets.training.training_log import CLIPPED, NO_SIGNAL, PROBE_EXACT, mean_of

if TYPE_CHECKING:
    from trl import GRPOTrainer

_LOGGED = ("reward", "loss", "completions/mean_length", CLIPPED, NO_SIGNAL)


def train(job: GrpoJob, log: Log) -> GrpoRun:
    """Optimise the policy, merge its adapter, save both, and return what happened."""
    settings = job.settings
    log.info("importing the trainer")
    from transformers import set_seed

    from fc_assets.training.trainer import checkpoints, running

    running.use_physical_cores()
    set_seed(settings.seed)
    model, tokenizer = checkpoints.load_checkpoint(job.model, bf16=settings.bf16)
    askable = askable_turns(tokenizer, read_turns(job.train), settings)
    log.info(
        f"{len(askable.turns)} turns can be asked, {len(askable.probe)} are a probe; left out are "
        f"{len(askable.overlong)} whose prompt has more than {settings.max_prompt} tokens and {len(askable.capped)} "
        "whose own answer does not earn the full reward"
    )
    rewards = RewardFunctions(askable.turns, settings.rewards.model_dump())
    trainer = _trainer(job, model, tokenizer, askable, rewards, log)
    drawn, found = _draw(job, trainer, tokenizer, askable.turns, log)
    trainer.train_dataset = _as_dataset(tokenizer, drawn)
    trainable = checkpoints.count_parameters(trainer.model, trainable=True)
    total = checkpoints.count_parameters(trainer.model)

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

    records = run.logged("reward")
    report = GrpoResult(
        log=records,
        steps=run.steps,
        prompts=len(drawn),
        turns=len(askable.turns),
        overlong=askable.overlong,
        capped=askable.capped,
        candidates=found.sampled,
        without_signal=found.left_out,
        clipped_share=mean_of(records, CLIPPED),
        no_signal_share=mean_of(records, NO_SIGNAL),
        probe=run.logged(PROBE_EXACT),
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


def _trainer(
    job: GrpoJob, model: Any, tokenizer: Any, askable: Askable, rewards: RewardFunctions, log: Log
) -> GRPOTrainer:
    from trl import GRPOTrainer

    from fc_assets.training.grpo.exact_base import ExactBase
    from fc_assets.training.grpo.signal_watch import SignalWatch
    from fc_assets.training.grpo.trainer_arguments import grpo_arguments
    from fc_assets.training.trainer import arguments, running
    from fc_assets.training.trainer.probe import Probe

    settings = job.settings
    trainer_arguments = grpo_arguments(settings, job.checkpoints, askable.longest_prompt)
    log.info(
        f"the longest prompt has {askable.longest_prompt} tokens: {trainer_arguments.per_device_train_batch_size} "
        f"completions in a pass, {trainer_arguments.gradient_accumulation_steps} passes in a step"
    )
    return GRPOTrainer(
        model=model,
        reward_funcs=rewards.functions,
        args=trainer_arguments,
        train_dataset=_as_dataset(tokenizer, askable.turns[:1]),  # trl wants one; what is asked is drawn with its help
        processing_class=tokenizer,
        peft_config=arguments.lora_config(settings.lora),
        callbacks=[
            *([ExactBase()] if settings.vllm_colocate else []),
            Probe(askable.probe, tokenizer, settings.max_completion, log),
            running.RunLogCallback(log, _LOGGED),
            SignalWatch(log, settings.max_completion),
        ],
    )


def _draw(job: GrpoJob, trainer: GRPOTrainer, tokenizer: Any, turns: list[Turn], log: Log) -> tuple[list[Turn], Found]:
    """The turns that training asks, one for each prompt, and what was sampled to find them."""
    settings = job.settings
    found = Found([], sampled=0, left_out=0)
    if settings.candidates_per_prompt > 1:
        sample = _sampler(trainer, tokenizer, settings)
        turns, found = teaching_turns(turns, sample, tokenizer, settings, job.checkpoints, log)
    drawn = draw_turns(turns, settings.steps * settings.prompts_per_step, settings.no_call_share, settings.seed)
    return drawn, found


def _sampler(trainer: GRPOTrainer, tokenizer: Any, settings: GrpoSettings) -> Sampler:
    """Sampling as it is done in training: by vLLM in this process, or by transformers."""
    from fc_assets.training.trainer.probe import answers

    def by_vllm(prompts: Sequence[str]) -> list[str]:
        ids = tokenizer(list(prompts), add_special_tokens=False).input_ids
        _, completions, _, _ = trainer.vllm_generation.generate(ids, None, settings.generations)
        texts: list[str] = tokenizer.batch_decode(completions, skip_special_tokens=True)
        return texts

    def by_transformers(prompts: Sequence[str]) -> list[str]:
        return answers(trainer.model, tokenizer, prompts, settings.max_completion, settings.temperature)

    return by_vllm if settings.vllm_colocate else by_transformers


def _as_dataset(tokenizer: Any, turns: Sequence[Turn]) -> Any:
    from datasets import Dataset

    return Dataset.from_list(
        [
            {"prompt": render_prompt(tokenizer, turn.messages, turn.tools, thinking_off=True), "turn_id": turn.id}
            for turn in turns
        ]
    )


if __name__ == "__main__":
    run_job(GrpoJob, train)
