"""Group-relative policy optimisation: `python -m fc_assets.training.grpo.grpo_job JOB.json`.

trl's GRPOTrainer on the merged SFT model with a fresh LoRA adapter, rewarded by `calls.rewards`. Prompts are rendered
strings (the trainer would ignore a row's tools otherwise), with thinking off. Which turns are asked is
`prompt_selection` and `candidates`. How the policy is saved is `merging.policy`. The rewards' definitions do not belong
here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fc_assets.calls.control_text import token_ids
from fc_assets.calls.conversations import Turn, read_turns
from fc_assets.calls.prompts import render_prompt
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.profiles import GrpoSettings
from fc_assets.training.grpo.candidates import Found, Sampler, teaching_turns
from fc_assets.training.grpo.prompt_selection import Askable, askable_turns, draw_turns
from fc_assets.training.grpo.reward_functions import RewardFunctions
from fc_assets.training.jobs import GrpoJob, GrpoResult, GrpoRun
from fc_assets.training.merging.policy import Ancestors, publish_policy
from fc_assets.training.trainer.holding import alone_in_its_folder
from fc_assets.training.training_log import CLIPPED, NO_SIGNAL, PROBE_EXACT, mean_of

if TYPE_CHECKING:
    from trl import GRPOTrainer

_LOGGED = ("reward", "loss", "completions/mean_length", CLIPPED, NO_SIGNAL)


@alone_in_its_folder
def train(job: GrpoJob, log: Log) -> GrpoRun:
    """Optimise the policy, merge its adapter, save both, and return what happened."""
    settings = job.settings
    log.info("importing the trainer")
    from transformers import set_seed

    from fc_assets.training.trainer import checkpoints, running, tracking

    running.use_physical_cores()
    set_seed(settings.seed)
    model, tokenizer = checkpoints.load_checkpoint(job.model, bf16=settings.bf16)
    askable = askable_turns(tokenizer, read_turns(job.train), settings)
    log.info(
        f"{len(askable.turns)} turns can be asked, {len(askable.probe)} are a probe; left out are "
        f"{len(askable.overlong)} whose prompt has more than {settings.max_prompt} tokens, {len(askable.capped)} "
        f"whose own answer does not earn the full reward and {len(askable.control_text)} with text that looks like a "
        "mark of the chat template"
    )
    rewards = RewardFunctions(askable.turns, settings.rewards.model_dump())
    trainer = _trainer(job, model, tokenizer, askable, rewards, log)
    drawn, found = _draw(job, trainer, tokenizer, askable.turns, log)
    trainer.train_dataset = _as_dataset(tokenizer, drawn)
    trainable = checkpoints.count_parameters(trainer.model, trainable=True)
    total = checkpoints.count_parameters(trainer.model)

    tracking.track(trainer, job.events, job.trackers, log)
    run = running.run_trainer(trainer, job.checkpoints, log)
    cost = run.cost()
    # In the step's own folder, beside what is published: it is swept away after a KILL.
    with tempfile.TemporaryDirectory(prefix="adapter-", dir=job.out.parent) as folder:
        checkpoints.save_adapter(trainer.model, job.base_source, Path(folder))
        del trainer, model  # publishing needs the memory
        running.release_memory()
        ancestors = Ancestors(job.model, job.base, job.base_source, job.sft_adapter)
        merged, adapter_rounding_kl = publish_policy(
            Path(folder), ancestors, job.out, drawn, job.bounds, log, bf16=settings.bf16, compared=job.compared
        )

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
        merge=merged,
        adapter_rounding_kl=adapter_rounding_kl,
        trainable_parameters=trainable,
        parameters=total,
    )
    return GrpoRun(report=report, cost=cost)


def _trainer(
    job: GrpoJob, model: Any, tokenizer: Any, askable: Askable, rewards: RewardFunctions, log: Log
) -> GRPOTrainer:
    from trl import GRPOTrainer

    from fc_assets.training.grpo.exact_base import ExactBase
    from fc_assets.training.grpo.signal_watch import SignalWatch
    from fc_assets.training.grpo.trainer_arguments import grpo_arguments
    from fc_assets.training.trainer import arguments, resuming, running, watching
    from fc_assets.training.trainer.probe import Probe

    settings = job.settings
    trainer_arguments = grpo_arguments(settings, job.checkpoints, askable.longest_prompt)
    log.info(
        f"the longest prompt has {askable.longest_prompt} tokens: {trainer_arguments.per_device_train_batch_size} "
        f"completions in a pass, {trainer_arguments.gradient_accumulation_steps} passes in a step"
    )
    return watching.watched(GRPOTrainer, watching.Watch("grpo", settings, _row_names))(
        model=model,
        reward_funcs=rewards.functions,
        args=trainer_arguments,
        train_dataset=_as_dataset(tokenizer, askable.turns[:1]),  # trl wants one; what is asked is drawn with its help
        processing_class=tokenizer,
        peft_config=arguments.lora_config(settings.lora),
        callbacks=[
            *([ExactBase()] if settings.vllm_colocate else []),
            Probe(askable.probe, tokenizer, settings.max_completion, settings.micro_batch_tokens, log),
            running.RunLogCallback(log, _LOGGED),
            SignalWatch(log, settings.max_completion),
            resuming.KeptState(rewards.samples, rewards.restore_samples),
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
        ids = token_ids(tokenizer, [[prompt] for prompt in prompts])
        _, completions, _, _ = trainer.vllm_generation.generate(ids, None, settings.generations)
        texts: list[str] = tokenizer.batch_decode(completions, skip_special_tokens=True)
        return texts

    def by_transformers(prompts: Sequence[str]) -> list[str]:
        return answers(
            trainer.model,
            tokenizer,
            token_ids(tokenizer, [[prompt] for prompt in prompts]),
            settings.max_completion,
            settings.micro_batch_tokens,
            settings.temperature,
        )

    return by_vllm if settings.vllm_colocate else by_transformers


def _as_dataset(tokenizer: Any, turns: Sequence[Turn]) -> Any:
    from datasets import Dataset

    return Dataset.from_list(
        [
            {"prompt": render_prompt(tokenizer, turn.messages, turn.tools, thinking_off=True), "turn_id": turn.id}
            for turn in turns
        ]
    )


def _row_names(inputs: list[dict[str, Any]]) -> list[str]:
    """The turns of what trl's GRPOTrainer gets for a step: its rows, each once for every completion."""
    return [row["turn_id"] for row in inputs]


if __name__ == "__main__":
    run_job(GrpoJob, train)
