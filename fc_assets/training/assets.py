"""The training assets: each starts a process of its own and describes what came back; the work is in those modules."""

import shutil
from collections.abc import Sequence

import dagster as dg

from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.gpu import GPU_OP_TAGS, GPU_POOL
from fc_assets.foundation.metadata import picture, table
from fc_assets.foundation.resources import Runtime
from fc_assets.training.plots import loss_curve, reward_curve, trend

GROUP = "training"
TRAIN_FILE = "sharegpt_train.json"
TURNS_COMPARED = 16
SFT_COLUMNS = ("step", "epoch", "loss", "mean_token_accuracy", "entropy", "grad_norm", "learning_rate", "num_tokens")
GRPO_COLUMNS = (
    "step",
    "reward",
    "reward_std",
    "loss",
    "entropy",
    "grad_norm",
    "learning_rate",
    "completions/mean_length",
    "completions/clipped_ratio",
    "frac_reward_zero_std",
)
"""What the page shows of trl's log; all of it is in the artefact's report."""


def _columns(log: list[dict[str, float]], names: Sequence[str]) -> list[dict[str, float]]:
    return [{name.removesuffix("/mean"): float(record[name]) for name in names if name in record} for record in log]


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
        model = step.out / "model"
        model.mkdir()
        job = {"settings": runtime.profile.base_model.model_dump(), "out": model}
        found = runtime.run_module(context, "fc_assets.training.base_model_job", job, step.scratch)
        return step.publish(
            [],
            {
                "checkpoint": table([{"field": name, "value": str(value)} for name, value in found.items()]),
                "parameters": found["parameters"],
                "weights_mb": found["weights_mb"],
            },
            report=found,
        )


@dg.asset(
    group_name=GROUP,
    kinds={"trl", "peft"},
    owners=OWNERS,
    code_version=code_version("fc_assets.training.sft_job"),
    pool=GPU_POOL,
    op_tags=GPU_OP_TAGS,
    description=(
        "The LoRA adapter after supervised fine-tuning (SFT) on the training split. The loss sees only the answer: "
        "the tool calls, or the refusal where no tool fits. Holds the adapter and the training log."
    ),
)
def lora_adapter(
    context: dg.AssetExecutionContext,
    runtime: dg.ResourceParam[Runtime],
    base_model: Artifact,
    sharegpt_train: Artifact,
) -> dg.MaterializeResult[Artifact]:
    settings = runtime.profile.sft
    with runtime.step(context) as step:
        adapter = step.out / "adapter"
        job = {
            "model": base_model.path / "model",
            "model_name": runtime.profile.base_model.model,
            "train": sharegpt_train.path / TRAIN_FILE,
            "settings": settings.model_dump(),
            "out": adapter,
        }
        resume = runtime.resume_folder(context.asset_key, [base_model, sharegpt_train], settings)
        done = runtime.run_module(
            context, "fc_assets.training.sft_job", {**job, "checkpoints": resume / "checkpoints"}, step.scratch
        )
        shutil.rmtree(resume)
        return step.publish(
            [base_model, sharegpt_train],
            {
                "curves": picture(loss_curve(done["log"]), "loss and token accuracy"),
                "final_loss": float(done["final_loss"]),
                "token_accuracy": float(done["token_accuracy"]),
                "seconds": done["seconds"],
                "turns": done["turns"],
                "overlong_turns": len(done["overlong"]),
                "trainable_parameters": done["trainable_parameters"],
                "peak_rss_mb": done["peak_rss_mb"],
                "training_log": table(_columns(done["log"], SFT_COLUMNS)),
                "learnt_span": dg.MetadataValue.md(f"```text\n{done['learnt_span']}\n```"),
            },
            report=done,
        )


@dg.asset(
    group_name=GROUP,
    kinds={"peft", "safetensors"},
    owners=OWNERS,
    code_version=code_version("fc_assets.training.merge_job"),
    pool=GPU_POOL,
    op_tags=GPU_OP_TAGS,
    description=(
        "Base and adapter as one stand-alone checkpoint (variant B, SFT). On training prompts its logits are compared "
        "with those of the base that carries the adapter; a difference beyond rounding stops the step."
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
        job = {
            "model": base_model.path / "model",
            "adapter": lora_adapter.path / "adapter",
            "prompts": sharegpt_train.path / TRAIN_FILE,
            "rows": TURNS_COMPARED,
            "bf16": settings.bf16,
            "max_difference": settings.max_merge_logit_difference,
            "out": step.out / "model",
        }
        done = runtime.run_module(context, "fc_assets.training.merge_job", job, step.scratch)
        return step.publish(
            [base_model, lora_adapter, sharegpt_train],
            {
                "comparison": table([done]),
                "max_logit_difference": done["max_logit_difference"],
                "adapter_effect": done["adapter_effect"],
                "parameters": done["parameters"],
            },
            report=done,
        )


@dg.asset(
    group_name=GROUP,
    kinds={"trl", "peft"},
    owners=OWNERS,
    code_version=code_version("fc_assets.training.grpo_job"),
    pool=GPU_POOL,
    op_tags=GPU_OP_TAGS,
    description=(
        "The policy after GRPO (variant C): from the merged model, completions are sampled and rewarded for parsing, "
        "for naming the right functions, for binding to their stubs and for the right arguments. Holds the merged "
        "checkpoint, ready to serve, its adapter, and the reward log."
    ),
)
def grpo_policy(
    context: dg.AssetExecutionContext,
    runtime: dg.ResourceParam[Runtime],
    merged_model: Artifact,
    sharegpt_train: Artifact,
) -> dg.MaterializeResult[Artifact]:
    settings = runtime.profile.grpo
    with runtime.step(context) as step:
        job = {
            "model": merged_model.path / "model",
            "model_name": runtime.profile.base_model.model,
            "train": sharegpt_train.path / TRAIN_FILE,
            "settings": settings.model_dump(),
            "max_difference": runtime.profile.sft.max_merge_logit_difference,
            "out": step.out,
        }
        resume = runtime.resume_folder(context.asset_key, [merged_model, sharegpt_train], settings)
        done = runtime.run_module(
            context, "fc_assets.training.grpo_job", {**job, "checkpoints": resume / "checkpoints"}, step.scratch
        )
        shutil.rmtree(resume)
        first, last = trend([record["reward"] for record in done["log"]])
        signals = list(settings.rewards.model_dump())
        return step.publish(
            [merged_model, sharegpt_train],
            {
                "curves": picture(reward_curve(done["log"], signals), "sampled reward and its signals"),
                "reward_first_quarter": first,
                "reward_last_quarter": last,
                "seconds": done["seconds"],
                "prompts": done["prompts"],
                "capped_rows": len(done["capped"]),
                "peak_rss_mb": done["peak_rss_mb"],
                "samples_at_the_start": table(done["first_samples"]),
                "samples_at_the_end": table(done["last_samples"]),
                "reward_log": table(
                    _columns(done["log"], [*GRPO_COLUMNS, *(f"rewards/{signal}/mean" for signal in signals)])
                ),
            },
            report=done,
        )


ASSETS = [base_model, lora_adapter, merged_model, grpo_policy]
