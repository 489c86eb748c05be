"""The asset of the DPO arm, which is in the graph only where the profile has `dpo.enabled`."""

from dataclasses import asdict

import dagster as dg

from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import ON_THE_GPU, OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.metadata import picture, table
from fc_assets.foundation.resources import Runtime
from fc_assets.names import ADAPTER_FOLDER, BASE_MODEL, EVENTS, LORA_ADAPTER, MODEL_FOLDER, PREFERENCE_PAIRS, REPORT
from fc_assets.profiles import Profile
from fc_assets.training.assets import GROUP, TRAIN_FILE, keep_records, merge_bounds
from fc_assets.training.dpo.jobs import DpoJob, DpoRecipe, DpoResult, PairsJob
from fc_assets.training.dpo.pairs import PreferencePair, read_pairs
from fc_assets.training.jobs import BaseModelResult, TrainingCost
from fc_assets.training.plots import preference_curve
from fc_assets.training.training_log import (
    DPO_COLUMNS,
    PREFERENCE_ACCURACY,
    PREFERENCE_MARGIN,
    columns,
    quarter_means,
    series,
)

GROUPS_FILE = "groups.jsonl"
"""The sampled groups, in the step's resume folder."""
_PAIRS_SHOWN = 20
_SHOWN_CHARS = 300


@dg.asset(
    group_name=GROUP,
    kinds={"trl", "peft"},
    owners=OWNERS,
    code_version=code_version("fc_assets.training.dpo.pairs_job", "fc_assets.training.dpo.dpo_job"),
    **ON_THE_GPU,
    description=(
        "The policy after direct preference optimisation (DPO, variant D), an arm beside GRPO: from the merged model "
        "groups of completions are sampled and rewarded as in GRPO, and the best of a group is preferred to its worst. "
        "Holds the pairs, the merged checkpoint, the same policy as one adapter of the base model, and the log."
    ),
)
def dpo_policy(
    context: dg.AssetExecutionContext,
    runtime: dg.ResourceParam[Runtime],
    merged_model: Artifact,
    sharegpt_train: Artifact,
) -> dg.MaterializeResult[Artifact]:
    profile, inputs = runtime.profile, [merged_model, sharegpt_train]
    recipe = DpoRecipe(settings=profile.dpo, rewards=profile.grpo.rewards)
    model, train = merged_model.path / MODEL_FOLDER, sharegpt_train.path / TRAIN_FILE
    with runtime.step(context) as step:
        # The very ones that were merged: the latest may be others by now.
        base, sft = (runtime.store.open(name, merged_model.inputs[name]) for name in (BASE_MODEL, LORA_ADAPTER))
        resume = runtime.resume_folder(context.asset_key, inputs, recipe)
        pairs = step.out / PREFERENCE_PAIRS
        counts = runtime.run_job(
            context,
            PairsJob(model=model, train=train, recipe=recipe, groups=resume / GROUPS_FILE, pairs=pairs),
            step.scratch,
        )
        job = DpoJob(
            model=model,
            base=base.path / MODEL_FOLDER,
            base_source=BaseModelResult.model_validate(base.read_json(REPORT)),
            sft_adapter=sft.path / ADAPTER_FOLDER,
            train=train,
            pairs=pairs,
            settings=profile.dpo,
            bounds=merge_bounds(merged_model),
            out=step.out,
            checkpoints=resume,
            events=resume / EVENTS,
            trackers=profile.trackers.report_to,
        )
        done = runtime.run_job(context, job, step.scratch)
        keep_records(resume, step.records, done.cost)
        report = DpoResult(pairs=counts, training=done.report)
        described = _describe(report, done.cost, read_pairs(pairs))
        return step.publish([base, sft, *inputs], described, report=report, resume=resume)


def _describe(report: DpoResult, cost: TrainingCost, pairs: list[PreferencePair]) -> dict[str, object]:
    log, counts = report.training.log, report.pairs
    _, margin = quarter_means(series(log, PREFERENCE_MARGIN))
    _, accuracy = quarter_means(series(log, PREFERENCE_ACCURACY))
    counted = counts.model_dump() | {"unfit": len(counts.unfit), "capped": len(counts.capped)}
    return {
        "curves": picture(preference_curve(log), "loss, and how far the better answers are preferred"),
        "margin_last_quarter": margin,
        "accuracy_last_quarter": accuracy,
        "seconds": cost.seconds,
        "pairs": counts.pairs,
        "alike_groups": counts.alike,
        "rounding_kl": report.training.merge.rounding_kl,
        "adapter_rounding_kl": report.training.adapter_rounding_kl,
        **cost.peaks,
        "pair_counts": table({"count": name, "value": value} for name, value in counted.items()),
        "first_pairs": table(_shown(pair) for pair in pairs[:_PAIRS_SHOWN]),
        "preference_log": table(columns(log, DPO_COLUMNS)),
    }


def _shown(pair: PreferencePair) -> dict[str, object]:
    return {name: value[:_SHOWN_CHARS] if isinstance(value, str) else value for name, value in asdict(pair).items()}


def assets(profile: Profile) -> list[dg.AssetsDefinition]:
    """The arm, where the profile has it."""
    return [dpo_policy] if profile.dpo.enabled else []
