"""Gates on training: did the adapter learn, is the merge exact and saved, did the sampled reward hold or rise?"""

import math

import dagster as dg

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.resources import Runtime
from fc_assets.foundation.thresholds import Bar, Kind
from fc_assets.names import MODEL_FOLDER, REPORT
from fc_assets.training.assets import base_model, grpo_policy, lora_adapter, merged_model
from fc_assets.training.checkpoint import inspect_checkpoint
from fc_assets.training.jobs import GrpoResult, MergeResult, SftResult
from fc_assets.training.training_log import (
    fell_beyond_chance,
    probe_change,
    quarter_means,
    rose_beyond_chance,
    series,
)

WARN = dg.AssetCheckSeverity.WARN

OVERLONG = Bar[float]("gates.max_overlong_share", Kind.AT_MOST)
MERGE_ERROR = Bar[float]("sft.merge.max_error", Kind.AT_MOST)
ROUNDING = Bar[float]("sft.merge.max_rounding_kl", Kind.AT_MOST)


@dg.asset_check(
    asset=base_model,
    blocking=True,
    description="The checkpoint has weights, a chat template and the architecture that the graph can train and serve.",
)
def checkpoint_is_usable(base_model: Artifact) -> dg.AssetCheckResult:
    try:
        found = inspect_checkpoint(base_model.path / MODEL_FOLDER)
    except FcAssetsError as error:
        return dg.AssetCheckResult(passed=False, description=str(error))
    return dg.AssetCheckResult(passed=found.parameters > 0, metadata=found.model_dump())


@dg.asset_check(
    asset=lora_adapter,
    blocking=True,
    description="The loss is finite throughout and its last quarter lies below its first: the adapter has learnt.",
)
def loss_fell(lora_adapter: Artifact) -> dg.AssetCheckResult:
    losses = series(SftResult.model_validate(lora_adapter.read_json(REPORT)).log, "loss")
    first, last = quarter_means(losses)
    finite = all(math.isfinite(loss) for loss in losses)
    return dg.AssetCheckResult(
        passed=finite and last < first,
        metadata={"loss_first_quarter": first, "loss_last_quarter": last, "all_finite": finite},
        description=f"Mean loss {first:.3g} in the first quarter, {last:.3g} in the last.",
    )


@dg.asset_check(
    asset=lora_adapter,
    blocking=True,
    metadata=OVERLONG.definition,
    description="No more training turns than the profile allows were left out because they do not fit sft.max_length.",
)
def few_turns_left_out(lora_adapter: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    report = SftResult.model_validate(lora_adapter.read_json(REPORT))
    return _few_left_out(len(report.overlong), report.turns, OVERLONG.value(runtime.profile))


@dg.asset_check(
    asset=merged_model,
    blocking=True,
    metadata=MERGE_ERROR.definition,
    description="Base and adapter were merged exactly: computed in fp32, the merged model gives the adapted logits.",
)
def merge_is_exact(merged_model: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    error = MergeResult.model_validate(merged_model.read_json(REPORT)).merge_error
    allowed = MERGE_ERROR.value(runtime.profile)
    return dg.AssetCheckResult(
        passed=error <= allowed,
        metadata={"merge_error": error, **MERGE_ERROR.record(allowed)},
        description=f"Logits are off by {error:.3g} of what the adapter changes, {allowed:.3g} is allowed.",
    )


@dg.asset_check(
    asset=merged_model,
    blocking=True,
    metadata=ROUNDING.definition,
    description="The checkpoint, as others load it, gives the distributions of base plus adapter, up to rounding.",
)
def saving_kept_the_merge(merged_model: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    found = MergeResult.model_validate(merged_model.read_json(REPORT))
    allowed = ROUNDING.value(runtime.profile)
    return dg.AssetCheckResult(
        passed=found.rounding_kl <= allowed,
        metadata={
            "rounding_kl": found.rounding_kl,
            "top1_agreement": found.top1_agreement,
            **ROUNDING.record(allowed),
        },
        description=f"It is {found.rounding_kl:.3g} nats per token from base plus adapter, {allowed:.3g} is allowed.",
    )


@dg.asset_check(
    asset=grpo_policy,
    blocking=True,
    description="The sampled reward is finite, and its last quarter is not below its first by more than chance.",
)
def reward_did_not_fall(grpo_policy: Artifact) -> dg.AssetCheckResult:
    rewards = series(GrpoResult.model_validate(grpo_policy.read_json(REPORT)).log, "reward")
    first, last = quarter_means(rewards)
    return dg.AssetCheckResult(
        passed=all(math.isfinite(reward) for reward in rewards) and not fell_beyond_chance(rewards),
        metadata={"reward_first_quarter": first, "reward_last_quarter": last},
        description=f"Mean sampled reward {first:.3f} in the first quarter, {last:.3f} in the last.",
    )


@dg.asset_check(
    asset=grpo_policy,
    blocking=True,
    description="Training moved the policy's distributions away from SFT's, by more than saving it rounded off.",
)
def policy_moved(grpo_policy: Artifact) -> dg.AssetCheckResult:
    found = GrpoResult.model_validate(grpo_policy.read_json(REPORT)).merge
    return dg.AssetCheckResult(
        passed=found.adapter_kl > found.rounding_kl,
        metadata={"adapter_kl": found.adapter_kl, "rounding_kl": found.rounding_kl},
        description=f"The policy is {found.adapter_kl:.3g} nats per token from SFT; saving it moved it by "
        f"{found.rounding_kl:.3g}.",
    )


@dg.asset_check(
    asset=grpo_policy,
    blocking=True,
    metadata=OVERLONG.definition,
    description="No more training turns than the profile allows were left out because they do not fit grpo.max_prompt.",
)
def few_prompts_left_out(grpo_policy: Artifact, runtime: dg.ResourceParam[Runtime]) -> dg.AssetCheckResult:
    report = GrpoResult.model_validate(grpo_policy.read_json(REPORT))
    return _few_left_out(len(report.overlong), report.turns + len(report.capped), OVERLONG.value(runtime.profile))


@dg.asset_check(
    asset=grpo_policy,
    blocking=False,
    description=(
        "A warning: exact match on held-out turns did not fall, by more than one standard error, while the sampled "
        "reward rose. It would mean that the policy has found how to be paid for wrong answers."
    ),
)
def reward_is_earned(grpo_policy: Artifact) -> dg.AssetCheckResult:
    return judge_reward(GrpoResult.model_validate(grpo_policy.read_json(REPORT)))


def judge_reward(report: GrpoResult) -> dg.AssetCheckResult:
    """Whether held-out answers got worse while the reward rose."""
    change = probe_change(report.probe)
    if change is None:
        return dg.AssetCheckResult(
            passed=True, severity=WARN, description="No held-out turns were asked: grpo.probe_rows is 0."
        )
    exact_match, standard_error = change
    rose = rose_beyond_chance(series(report.log, "reward"))
    return dg.AssetCheckResult(
        passed=not (rose and exact_match < -standard_error),
        severity=WARN,
        metadata={"exact_match_change": exact_match, "standard_error": standard_error, "reward_rose": rose},
        description=(
            f"Exact match on held-out turns changed by {exact_match:+.1%}, one standard error is "
            f"{standard_error:.1%}; the sampled reward {'rose' if rose else 'did not rise beyond chance'}."
        ),
    )


def _few_left_out(overlong: int, fitting: int, allowed: float) -> dg.AssetCheckResult:
    """Whether the share of turns that do not fit is at most `allowed`."""
    share = overlong / (fitting + overlong)
    return dg.AssetCheckResult(
        passed=share <= allowed,
        metadata={"overlong_share": share, **OVERLONG.record(allowed)},
        description=f"{share:.2%} of the turns were left out, {allowed:.2%} are allowed.",
    )


CHECKS = [
    checkpoint_is_usable,
    loss_fell,
    few_turns_left_out,
    merge_is_exact,
    saving_kept_the_merge,
    reward_did_not_fall,
    policy_moved,
    few_prompts_left_out,
    reward_is_earned,
]
