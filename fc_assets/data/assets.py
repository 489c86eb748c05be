"""The data assets: the raw table and the two splits. The work itself is done by the other modules of this room."""

from collections.abc import Iterator

import dagster as dg

from fc_assets.data.jobs import HubDownloadJob, SplitTokens
from fc_assets.data.page_tables import (
    count_table,
    curation_table,
    sample_conversations,
    sample_examples,
    split_table,
)
from fc_assets.data.plots import split_picture
from fc_assets.data.raw_table import RawSummary, build_raw_table
from fc_assets.data.rows.examples_file import read_examples
from fc_assets.data.sources.own_tools.diversity import Diversity, measure_diversity
from fc_assets.data.sources.profile_sources import (
    hub_datasets,
    own_tools_file,
    own_tools_job,
    paraphraser_of,
    row_sources,
)
from fc_assets.data.split_building import BuiltSplits, build_curated_splits, questions_to_avoid
from fc_assets.data.split_report import split_report
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.metadata import picture, table
from fc_assets.foundation.resources import Runtime
from fc_assets.names import EXAMPLES, REJECTS, SHAREGPT_SPLITS, SHAREGPT_TRAIN, SHAREGPT_VAL
from fc_assets.profiles import Profile

GROUP = "data"


@dg.asset(
    group_name=GROUP,
    kinds={"parquet"},
    owners=OWNERS,
    code_version=code_version(
        "fc_assets.data.raw_table",
        "fc_assets.data.sources.profile_sources",
        "fc_assets.data.sources.hub_job",
        "fc_assets.data.sources.own_tools.list_tools_job",
    ),
    description=(
        "Tool-call examples as their source has them (the hub's xLAM-60k, local files, rows made for your own tools, "
        "or in the demo an embedded generator), in one normal form: query, tools as JSON Schema, expected calls. Rows "
        "that cannot be read are in the quarantine beside the table, each with its reason; too many of them fail the "
        "step."
    ),
)
def xlam_raw(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[Artifact]:
    settings = runtime.profile.data
    with runtime.step(context) as step:
        datasets = hub_datasets(settings, step.scratch)
        if datasets:
            runtime.run_job(context, HubDownloadJob(datasets=tuple(datasets)), step.scratch)
        paraphraser = paraphraser_of(settings, runtime.store.home)
        if listing := own_tools_job(settings, step.out):
            runtime.run_job(context, listing, step.scratch)
        with runtime.kept_if_it_fails(context, step.out / REJECTS):
            summary = build_raw_table(
                row_sources(settings, datasets, own_tools_file(settings, step.out), paraphraser),
                step.out,
                policy=settings.required_policy,
                max_reject_share=settings.max_reject_share,
            )
        sample = table(sample_examples(read_examples(step.out / EXAMPLES)))
        shown = {**_raw_tables(summary), "sample": sample, **_raw_numbers(summary)}
        if settings.has_own_tools:
            shown |= _own_tools(measure_diversity(read_examples(step.out / EXAMPLES)))
        if paraphraser:
            shown["own_questions_reworded"] = table(count_table("what", paraphraser.counts.items(), unit="questions"))
        return step.publish([], shown)


def _raw_tables(summary: RawSummary) -> dict[str, object]:
    return {
        "rows_by_source": table(count_table("source", summary.by_source.items())),
        "rejects_by_reason": table(count_table("reason", summary.by_reason.most_common())),
        "flags": table(count_table("flag", summary.by_flag.most_common())),
        "unknown_types": table(count_table("type", summary.unknown_types.most_common(), unit="times")),
    }


def _raw_numbers(summary: RawSummary) -> dict[str, object]:
    return {
        "rows": summary.rows,
        "rejected": summary.rejected,
        "reject_share": summary.reject_share,
        "no_call_share": summary.no_call / summary.rows,
    }


def _own_tools(found: Diversity) -> dict[str, object]:
    """How many rows there are for a user's own tools, and how different they are."""
    return {
        "own_tools": table(found.by_tool()),
        "own_rows": found.rows,
        "own_rows_held_out": found.held_out,
        "own_distinct_questions": found.distinct_questions,
        "own_distinct_2": found.distinct_2,
    }


@dg.multi_asset(
    name=SHAREGPT_SPLITS,
    group_name=GROUP,
    outs={
        name: dg.AssetOut(
            kinds={"json"},
            owners=OWNERS,
            code_version=code_version(
                "fc_assets.data.split_building", "fc_assets.data.split_report", "fc_assets.data.token_lengths_job"
            ),
            description=(
                f"The {kind} split as ShareGPT conversations with `dataset_info.json`, as LLaMA-Factory reads them. "
                f"Both splits come from one curation of the raw table and share no question. {more}"
            ),
        )
        for name, kind, more in (
            (SHAREGPT_TRAIN, "training", "Holds what curation dropped, too."),
            (SHAREGPT_VAL, "validation", "Each row says whether all its tools were seen in training."),
        )
    },
)
def sharegpt_splits(
    context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime], xlam_raw: Artifact
) -> Iterator[dg.MaterializeResult[Artifact]]:
    profile = runtime.profile
    with (
        runtime.step(context, dg.AssetKey(SHAREGPT_TRAIN)) as train,
        runtime.step(context, dg.AssetKey(SHAREGPT_VAL)) as validation,
    ):
        questions = questions_to_avoid(profile)
        if questions is None:
            context.log.warning("bfcl-eval is not installed, so no row was compared with BFCL's questions")
        built = build_curated_splits(
            xlam_raw.path, train.out, validation.out, train.scratch, profile.data, questions or []
        )
        lengths = runtime.run_job(context, built.token_lengths_job(profile), train.scratch)
        for step in (train, validation):
            name = step.key.to_user_string()
            tokens = lengths.splits[name]
            report = split_report(built.summaries[name], built.curation, tokens, profile.data.seed)
            yield step.publish([xlam_raw], _split_metadata(name, built, tokens, profile), report=report)


def _split_metadata(name: str, built: BuiltSplits, tokens: SplitTokens, profile: Profile) -> dict[str, object]:
    summary = built.summaries[name]
    drawn = split_picture(
        name,
        tokens.lengths,
        limits={"sft.max_length": profile.sft.max_length, "server.max_model_len": profile.server.max_model_len},
        counts={"calls": summary.calls_per_row, "tools": summary.tools_per_row},
    )
    return {
        "split": table(split_table(built.summaries)),
        "curation": table(curation_table(built.curation)),
        "rows_by_source": table(count_table("source", summary.by_source.items())),
        "picture": picture(drawn, "token lengths, calls and tools per row"),
        "sample": table(sample_conversations(built.files[name])),
        "rows": summary.rows,
        "no_call_share": summary.calls_per_row[0] / summary.rows,
        "tokens_mean": tokens.mean,
    }


ASSETS = [xlam_raw, sharegpt_splits]
