"""The training assets: each starts a process of its own and describes what came back; the work is in those modules."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import dagster as dg

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import ON_THE_GPU, OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.json_files import write_json
from fc_assets.foundation.metadata import picture, table
from fc_assets.foundation.planning.machine import this_machine
from fc_assets.foundation.planning.preflight import require_grpo, require_merge, require_sft
from fc_assets.foundation.resources import Runtime
from fc_assets.names import (
    ADAPTER_FOLDER,
    BASE_MODEL,
    EVENTS,
    LLAMA_FACTORY,
    LORA_ADAPTER,
    MODEL_FOLDER,
    REPORT,
    RUN_COST,
    SHAREGPT_TRAIN,
    split_file,
)
from fc_assets.profiles import DataSettings, MergeSettings
from fc_assets.training.jobs import (
    BaseModelJob,
    BaseModelResult,
    GrpoJob,
    GrpoResult,
    MergeJob,
    SftJob,
    SftResult,
    TrainingCost,
)
from fc_assets.training.plots import loss_curve, policy_curve, reward_curve
from fc_assets.training.sft.llama_factory import write_arguments
from fc_assets.training.training_log import (
    GRPO_COLUMNS,
    PROBE_COLUMNS,
    SFT_COLUMNS,
    VALIDATION_COLUMNS,
    columns,
    quarter_means,
    reward_column,
    series,
)

GROUP = "training"
TRAIN_FILE = split_file(SHAREGPT_TRAIN)


@dg.asset(
    group_name=GROUP,
    kinds={"huggingface", "safetensors"},
    owners=OWNERS,
    code_version=code_version("fc_assets.training.base_model_job"),
    description=(
        "The checkpoint that everything starts from (variant A): Qwen3-0.6B from the hub, a local folder, or in the "
        "demo a tiny model of the same architecture that ships with the package. Its files are copied, digested and "
        "checked; nothing is trained here."
    ),
)
def base_model(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        job = BaseModelJob(settings=runtime.profile.base_model, out=step.out / MODEL_FOLDER)
        found = runtime.run_job(context, job, step.scratch)
        return step.publish(
            [],
            {
                "checkpoint": table([{"field": name, "value": str(value)} for name, value in found]),
                "parameters": found.parameters,
                "weights_mb": found.weights_mb,
            },
            report=found,
        )


@dg.asset(
    group_name=GROUP,
    kinds={"trl", "peft"},
    owners=OWNERS,
    code_version=code_version("fc_assets.training.sft.sft_job", "fc_assets.training.sft.llama_factory"),
    **ON_THE_GPU,
    description=(
        "The LoRA adapter after supervised fine-tuning (SFT) on the training split. The loss sees only the answer: "
        "the tool calls, or the refusal where no tool fits. Rows held out from that split are answered at each "
        "checkpoint, and the best checkpoint is kept. Holds the adapter, the training log, "
        "and the same fine-tuning as a YAML file for LLaMA-Factory."
    ),
)
def lora_adapter(
    context: dg.AssetExecutionContext,
    runtime: dg.ResourceParam[Runtime],
    base_model: Artifact,
    sharegpt_train: Artifact,
) -> dg.MaterializeResult[Artifact]:
    settings, inputs = runtime.profile.sft, [base_model, sharegpt_train]
    with runtime.step(context) as step:
        require_sft(base_model.path / MODEL_FOLDER, settings, this_machine(runtime.store.home), context.log)
        resume = runtime.resume_folder(context.asset_key, inputs, settings)
        job = SftJob(
            model=base_model.path / MODEL_FOLDER,
            base_source=_source(base_model),
            train=sharegpt_train.path / TRAIN_FILE,
            settings=settings,
            out=step.out / ADAPTER_FOLDER,
            checkpoints=resume,
            events=resume / EVENTS,
            trackers=runtime.profile.trackers.report_to,
        )
        done = runtime.run_job(context, job, step.scratch)
        keep_records(resume, step.records, done.cost)
        split_made_with = DataSettings.model_validate(sharegpt_train.settings["data"])
        write_arguments(step.out / LLAMA_FACTORY, settings, job.base_source, split_made_with)
        return step.publish(inputs, _describe_sft(done.report, done.cost), report=done.report, resume=resume)


@dg.asset(
    group_name=GROUP,
    kinds={"peft", "safetensors"},
    owners=OWNERS,
    code_version=code_version("fc_assets.training.merging.merge_job"),
    **ON_THE_GPU,
    description=(
        "Base and adapter as one stand-alone checkpoint (variant B, SFT), merged in fp32 and rounded once. On training "
        "turns it is compared with the base that carries the adapter, before it is rounded and as it was saved; what "
        "is more than rounding stops the step."
    ),
)
def merged_model(
    context: dg.AssetExecutionContext,
    runtime: dg.ResourceParam[Runtime],
    base_model: Artifact,
    lora_adapter: Artifact,
    sharegpt_train: Artifact,
) -> dg.MaterializeResult[Artifact]:
    settings = runtime.profile.sft
    with runtime.step(context) as step:
        require_merge(base_model.path / MODEL_FOLDER, settings, this_machine(runtime.store.home), context.log)
        job = MergeJob(
            model=base_model.path / MODEL_FOLDER,
            adapter=lora_adapter.path / ADAPTER_FOLDER,
            train=sharegpt_train.path / TRAIN_FILE,
            bf16=settings.bf16,
            bounds=settings.merge,
            out=step.out / MODEL_FOLDER,
        )
        done = runtime.run_job(context, job, step.scratch)
        return step.publish(
            [base_model, lora_adapter, sharegpt_train],
            {
                "comparison": table([done.model_dump()]),
                "merge_error": done.merge_error,
                "adapter_kl": done.adapter_kl,
                "rounding_kl": done.rounding_kl,
                "top1_agreement": done.top1_agreement,
                "parameters": done.parameters,
            },
            report=done,
        )


@dg.asset(
    group_name=GROUP,
    kinds={"trl", "peft"},
    owners=OWNERS,
    code_version=code_version("fc_assets.training.grpo.grpo_job"),
    **ON_THE_GPU,
    description=(
        "The policy after GRPO (variant C): from the merged model, completions are sampled and rewarded for parsing, "
        "for naming the right functions, for binding to their stubs and for the right arguments. Holds the merged "
        "checkpoint, ready to serve, the same policy as one adapter of the base model, and the reward log."
    ),
)
def grpo_policy(
    context: dg.AssetExecutionContext,
    runtime: dg.ResourceParam[Runtime],
    merged_model: Artifact,
    sharegpt_train: Artifact,
) -> dg.MaterializeResult[Artifact]:
    settings, inputs = runtime.profile.grpo, [merged_model, sharegpt_train]
    with runtime.step(context) as step:
        require_grpo(merged_model.path / MODEL_FOLDER, settings, this_machine(runtime.store.home), context.log)
        # The very ones that were merged: the latest may be others by now.
        base, sft = (runtime.store.open(name, merged_model.inputs[name]) for name in (BASE_MODEL, LORA_ADAPTER))
        resume = runtime.resume_folder(context.asset_key, inputs, settings)
        job = GrpoJob(
            model=merged_model.path / MODEL_FOLDER,
            base=base.path / MODEL_FOLDER,
            base_source=_source(base),
            sft_adapter=sft.path / ADAPTER_FOLDER,
            train=sharegpt_train.path / TRAIN_FILE,
            settings=settings,
            bounds=merge_bounds(merged_model),
            out=step.out,
            checkpoints=resume,
            events=resume / EVENTS,
            trackers=runtime.profile.trackers.report_to,
        )
        done = runtime.run_job(context, job, step.scratch)
        keep_records(resume, step.records, done.cost)
        described = _describe_grpo(done.report, done.cost, list(settings.rewards.model_dump()))
        return step.publish([base, sft, *inputs], described, report=done.report, resume=resume)


def merge_bounds(merged_model: Artifact) -> MergeSettings:
    """The bounds that the merge before a policy was held to, as its record has them: this run's own may be others.

    Raises `FcAssetsError` for a record that judged a merge by something else.
    """
    sft = merged_model.settings["sft"]
    if "merge" not in sft:
        raise FcAssetsError(f"{merged_model.asset} was made by a version that judged merges otherwise; make it again")
    return MergeSettings.model_validate(sft["merge"])


def keep_records(resume: Path, records: Path, cost: TrainingCost) -> None:
    """Keep the event files, which begin with the first attempt, and what the run took."""
    if (events := resume / EVENTS).is_dir():
        shutil.copytree(events, records / EVENTS)
    write_json(records / RUN_COST, cost.model_dump(mode="json"))


def _source(base_model: Artifact) -> BaseModelResult:
    """What base_model reported of itself, which is how adapters name their base; the settings may name another."""
    return BaseModelResult.model_validate(base_model.read_json(REPORT))


def _describe_sft(done: SftResult, cost: TrainingCost) -> dict[str, object]:
    validated: dict[str, object] = {}
    if done.validation:
        validated = {
            "best_step": done.best_step,
            "held_out_turns": done.held_out,
            "validations": table(columns(done.validation, VALIDATION_COLUMNS)),
        }
    return {
        "curves": picture(loss_curve(done.log, done.validation), "loss and token accuracy"),
        "final_loss": done.final_loss,
        "token_accuracy": done.token_accuracy,
        "seconds": cost.seconds,
        "turns": done.turns,
        "overlong_turns": len(done.overlong),
        "trainable_parameters": done.trainable_parameters,
        **cost.peaks,
        "training_log": table(columns(done.log, SFT_COLUMNS)),
        **validated,
        "learnt_spans": table(asdict(span) for span in done.learnt_spans),
    }


def _describe_grpo(done: GrpoResult, cost: TrainingCost, signals: Sequence[str]) -> dict[str, object]:
    first, last = quarter_means(series(done.log, "reward"))
    return {
        "curves": picture(reward_curve(done.log, signals, done.probe), "sampled reward and its signals"),
        "policy": picture(policy_curve(done.log), "entropy, and shares without signal"),
        "reward_first_quarter": first,
        "reward_last_quarter": last,
        "seconds": cost.seconds,
        "prompts": done.prompts,
        "overlong_prompts": len(done.overlong),
        "capped_rows": len(done.capped),
        "probe": table(columns(done.probe, PROBE_COLUMNS)),
        "candidates": done.candidates,
        "candidates_without_signal": done.without_signal,
        "clipped_share": done.clipped_share,
        "no_signal_share": done.no_signal_share,
        "rounding_kl": done.merge.rounding_kl,
        "adapter_rounding_kl": done.adapter_rounding_kl,
        **cost.peaks,
        "samples_at_the_start": table(asdict(sample) for sample in done.first_samples),
        "samples_at_the_end": table(asdict(sample) for sample in done.last_samples),
        "reward_log": table(columns(done.log, [*GRPO_COLUMNS, *map(reward_column, signals)])),
    }


ASSETS = [base_model, lora_adapter, merged_model, grpo_policy]
