"""The edge assets: the release as GGUF files, and what each of them costs and keeps; the work is in their modules."""

import dagster as dg

from fc_assets.edge.gguf_files import BASELINE, GgufType
from fc_assets.edge.jobs import ConvertJob, ConvertResult, FileMeasurement, MeasureFileJob, RenderPromptsJob
from fc_assets.edge.measurement.report import EdgeReport, compare_files, draw
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.metadata import picture, table
from fc_assets.foundation.planning.machine import processor_name
from fc_assets.foundation.resources import Runtime
from fc_assets.names import GGUF_README, MODEL_FOLDER, REPORT, SHAREGPT_VAL, TOKENIZER_FOLDER, split_file

GROUP = "edge"


@dg.asset(
    group_name=GROUP,
    kinds={"gguf", "llamacpp", "ollama"},
    owners=OWNERS,
    code_version=code_version("fc_assets.edge.conversion.convert_job"),
    description=(
        "The released policy as GGUF files for llama.cpp and Ollama: F16, Q8_0 and Q4_K_M, quantised by ggml's own "
        "kernels under llama.cpp's rules, each with the tokenizer, the chat template and the digest of its release. "
        "An Ollama Modelfile and a README on how to run them lie beside the files."
    ),
)
def gguf_artifacts(
    context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime], promoted_policy: Artifact
) -> dg.MaterializeResult[Artifact]:
    settings = runtime.profile.edge
    with runtime.step(context) as step:
        job = ConvertJob(
            checkpoint=promoted_policy.path / MODEL_FOLDER,
            out=step.out,
            kinds=[BASELINE, *settings.quantisations],
            name="fc-policy",
            source_digest=promoted_policy.digest,
            context=settings.context,
        )
        converted = runtime.run_job(context, job, step.scratch)
        return step.publish(
            [promoted_policy],
            {
                "files": table(file.row() for file in converted.files),
                **{f"{file.kind}_mb": file.bytes / 1e6 for file in converted.files},
                "ggml": converted.ggml,
                "readme": dg.MetadataValue.md((step.out / GGUF_README).read_text(encoding="utf-8")),
            },
            report=converted,
        )


@dg.asset(
    group_name=GROUP,
    kinds={"llamacpp", "python"},
    owners=OWNERS,
    code_version=code_version(
        "fc_assets.edge.measurement.render_prompts_job",
        "fc_assets.edge.measurement.measure_file_job",
        "fc_assets.edge.measurement.report",
    ),
    description=(
        "What each GGUF file costs and keeps: size, load time, peak memory, latency of the first token, tokens per "
        "second, and the quality of its greedy answers to the same validation rows, free and with a grammar, compared "
        "with F16's row by row and token by token. Measured by llama.cpp on this machine's CPU, one process for each "
        "file. "
        "It is a measurement: made again, it has other times and another digest."
    ),
)
def edge_report(
    context: dg.AssetExecutionContext,
    runtime: dg.ResourceParam[Runtime],
    gguf_artifacts: Artifact,
    sharegpt_val: Artifact,
) -> dg.MaterializeResult[Artifact]:
    settings = runtime.profile.edge
    split = sharegpt_val.path / split_file(SHAREGPT_VAL)
    files = ConvertResult.model_validate(gguf_artifacts.read_json(REPORT)).files
    limits = {"context": settings.context, "max_tokens": settings.max_tokens}
    with runtime.step(context) as step:
        tokenizer = gguf_artifacts.path / TOKENIZER_FOLDER
        render = RenderPromptsJob(tokenizer=tokenizer, split=split, rows=settings.rows, **limits)
        rendered = runtime.run_job(context, render, step.scratch)
        measured: dict[GgufType, FileMeasurement] = {}
        for file in sorted(files, key=lambda file: file.kind != BASELINE):
            job = MeasureFileJob(
                model=gguf_artifacts.path / file.file,
                prompts=rendered.prompts,
                threads=settings.threads,
                compared_tokens=settings.compared_tokens,
                places=measured[BASELINE].places if measured else None,
                **limits,
            )
            measured[file.kind] = runtime.run_job(context, job, step.scratch)
        rows = compare_files(files, measured, split)
        report = EdgeReport(
            device=f"{processor_name()}, {settings.threads} threads",
            rows=rows,
            too_long=rendered.too_long,
            asked={kind: file.model_copy(update={"places": [], "next_tokens": []}) for kind, file in measured.items()},
        )
        return step.publish(
            [gguf_artifacts, sharegpt_val],
            {
                "files": table(row.table_row() for row in rows),
                "quality_and_latency": picture(draw(rows), "quality over size, latency"),
                **report.headline(),
                "rows_too_long": report.too_long,
                "device": report.device,
            },
            report=report,
        )


ASSETS = [gguf_artifacts, edge_report]
