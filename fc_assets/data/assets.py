"""The data assets: the raw table and the two splits. The work itself is done by the other modules of this room."""

import json
from collections.abc import Iterator, Mapping

import dagster as dg

from fc_assets.data.curation.bfcl_questions import questions_folder, read_questions
from fc_assets.data.curation.curate import CurationReport, curate
from fc_assets.data.curation.irrelevance import IrrelevanceMaker, missing_rate
from fc_assets.data.curation.masking import masker
from fc_assets.data.plots import split_picture
from fc_assets.data.raw_table import SUMMARY, build_raw
from fc_assets.data.report import curation_table, sample_conversations, sample_examples, split_report, split_table
from fc_assets.data.rows.table import EXAMPLES, read_examples
from fc_assets.data.sources.select import hub_datasets, sources
from fc_assets.data.splits import TRAIN, VALIDATION, build_splits, split_file
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.metadata import picture, table
from fc_assets.foundation.resources import Runtime
from fc_assets.profiles import EMBEDDED, Profile

GROUP = "data"


@dg.asset(
    group_name=GROUP,
    kinds={"parquet"},
    owners=OWNERS,
    code_version=code_version(
        "fc_assets.data.raw_table", "fc_assets.data.sources.select", "fc_assets.data.sources.hub_job"
    ),
    description=(
        "Tool-call examples as their source has them (the hub's xLAM-60k, local files, or in the demo an embedded "
        "generator), in one normal form: query, tools as JSON Schema, expected calls. Rows that cannot be read are in "
        "the quarantine beside the table, each with its reason; too many of them fail the step."
    ),
)
def xlam_raw(context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]) -> dg.MaterializeResult[Artifact]:
    settings = runtime.profile.data
    with runtime.step(context) as step:
        wanted = [
            {**dataset, "out": step.scratch / f"hub-{number}.parquet"}
            for number, dataset in enumerate(hub_datasets(settings))
        ]
        if wanted:
            runtime.run_module(context, "fc_assets.data.sources.hub_job", {"datasets": wanted}, step.scratch)
        summary = build_raw(
            sources(settings, {dataset["dataset"]: dataset["out"] for dataset in wanted}),
            step.out,
            policy=settings.required_policy,
            max_reject_share=settings.max_reject_share,
        )
        return step.publish(
            [],
            {
                "rows_by_source": table({"source": name, "rows": rows} for name, rows in summary.by_source.items()),
                "rejects_by_reason": table(
                    {"reason": reason, "rows": rows} for reason, rows in summary.by_reason.most_common()
                ),
                "flags": table({"flag": flag, "rows": rows} for flag, rows in summary.by_flag.most_common()),
                "unknown_types": table(
                    {"type": name, "times": times} for name, times in summary.unknown_types.most_common()
                ),
                "sample": table(sample_examples(read_examples(step.out / EXAMPLES))),
                "rows": summary.rows,
                "rejected": summary.rejected,
                "reject_share": summary.reject_share,
                "no_call_share": summary.no_call / summary.rows,
            },
        )


@dg.multi_asset(
    name="sharegpt_splits",
    group_name=GROUP,
    outs={
        name: dg.AssetOut(
            kinds={"json"},
            owners=OWNERS,
            code_version=code_version(
                "fc_assets.data.splits",
                "fc_assets.data.curation.curate",
                "fc_assets.data.curation.masking",
                "fc_assets.data.curation.bfcl_questions",
                "fc_assets.data.token_lengths_job",
            ),
            description=(
                f"The {kind} split as ShareGPT conversations with `dataset_info.json`, as LLaMA-Factory reads them. "
                f"Both splits come from one curation of the raw table and share no question. {more}"
            ),
        )
        for name, kind, more in (
            (TRAIN, "training", "Holds what curation dropped, too."),
            (VALIDATION, "validation", "Each row says whether all its tools were seen in training."),
        )
    },
)
def sharegpt_splits(
    context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime], xlam_raw: Artifact
) -> Iterator[dg.MaterializeResult[Artifact]]:
    profile = runtime.profile
    settings = profile.data
    with (
        runtime.step(context, dg.AssetKey(TRAIN)) as train,
        runtime.step(context, dg.AssetKey(VALIDATION)) as validation,
    ):
        questions = _bfcl_questions(profile)
        if not questions and settings.curation.bfcl != "keep":
            context.log.warning("bfcl-eval is not installed, so no row was compared with BFCL's questions")
        curation, raw = CurationReport(), xlam_raw.read_json(SUMMARY)
        rate = missing_rate(settings.irrelevance_share, raw["rows"], raw["no_call"])
        summaries = build_splits(
            curate(
                read_examples(xlam_raw.path / EXAMPLES),
                settings.curation,
                curation,
                bfcl_questions=questions,
                irrelevance=IrrelevanceMaker(rate, settings.seed),
            ),
            (train.out, validation.out),
            train.scratch,
            validation_share=settings.validation_share,
            seed=settings.seed,
            variant=masker(settings.curation.masked_share, settings.seed),
        )
        lengths = runtime.run_module(
            context,
            "fc_assets.data.token_lengths_job",
            {
                "tokenizer": _tokenizer(profile),
                "context": profile.server.max_model_len,
                "splits": {
                    step.key.to_user_string(): {
                        "path": split_file(step.out, step.key.to_user_string()),
                        "rows": summary.rows,
                    }
                    for step, summary in zip((train, validation), summaries, strict=True)
                },
            },
            train.scratch,
        )
        (train.out / "dropped.jsonl").write_text(
            "".join(json.dumps({"id": row, "reason": reason}) + "\n" for row, reason in curation.dropped),
            encoding="utf-8",
        )
        for step, summary in zip((train, validation), summaries, strict=True):
            name = step.key.to_user_string()
            tokens = lengths["splits"][name]
            drawn = split_picture(
                {name: tokens["lengths"]},
                {"sft.max_length": profile.sft.max_length, "server.max_model_len": profile.server.max_model_len},
                {"calls": summary.calls_per_row, "tools": summary.tools_per_row},
            )
            yield step.publish(
                [xlam_raw],
                {
                    "split": table(split_table(list(zip((TRAIN, VALIDATION), summaries, strict=True)))),
                    "curation": table(curation_table(curation)),
                    "rows_by_source": table({"source": key, "rows": rows} for key, rows in summary.by_source.items()),
                    "picture": picture(drawn, "token lengths, calls and tools per row"),
                    "sample": table(sample_conversations(split_file(step.out, name))),
                    "rows": summary.rows,
                    "no_call_share": summary.calls_per_row[0] / summary.rows,
                    "tokens_mean": sum(tokens["lengths"]) / len(tokens["lengths"]),
                },
                report=split_report(summary, curation, tokens, lengths["context"], settings.seed),
            )


def _bfcl_questions(profile: Profile) -> list[str]:
    if profile.data.curation.bfcl == "keep":
        return []
    folder = questions_folder(profile.bfcl.python)
    return read_questions(folder) if folder else []


def _tokenizer(profile: Profile) -> Mapping[str, object]:
    """Where the profile's tokenizer is: a folder, or a model on the hub."""
    settings = profile.base_model
    if settings.source == "hub":
        return {"model": settings.model, "revision": settings.revision}
    return {"folder": EMBEDDED if settings.source == "embedded" else settings.path}


ASSETS = [xlam_raw, sharegpt_splits]
