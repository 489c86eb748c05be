"""The edge assets: the release as GGUF files, and what each of them costs and keeps; the work is in their modules."""

from dataclasses import asdict

import dagster as dg

from fc_assets.edge.conversion.files import BASELINE, TOKENIZER_FOLDER, GgufFile
from fc_assets.edge.measurement import report
from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import OWNERS
from fc_assets.foundation.code_version import code_version
from fc_assets.foundation.metadata import picture, table
from fc_assets.foundation.resources import Runtime
from fc_assets.names import REPORT

GROUP = "edge"
VALIDATION_FILE = "sharegpt_val.json"
# On a busy machine ggml's threads would otherwise wait for each other spinning, at a hundredth of the speed.
LLAMA_ENVIRONMENT = {"OMP_WAIT_POLICY": "passive"}


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
        job = {
            "checkpoint": promoted_policy.path / "model",
            "out": step.out,
            "kinds": [BASELINE, *settings.quantisations],
            "name": "fc-policy",
            "source_digest": promoted_policy.digest,
            "context": settings.context,
        }
        done = runtime.run_module(context, "fc_assets.edge.conversion.convert_job", job, step.scratch)
        files = [GgufFile(**record) for record in done["files"]]
        return step.publish(
            [promoted_policy],
            {
                "files": table(file.row() for file in files),
                **{f"{file.kind}_mb": file.bytes / 1e6 for file in files},
                "ggml": done["ggml"],
                "readme": dg.MetadataValue.md((step.out / "README.md").read_text(encoding="utf-8")),
            },
            report=done,
        )


@dg.asset(
    group_name=GROUP,
    kinds={"llamacpp", "python"},
    owners=OWNERS,
    code_version=code_version(
        "fc_assets.edge.measurement.prompts_job",
        "fc_assets.edge.measurement.ask_job",
        "fc_assets.edge.measurement.report",
    ),
    description=(
        "What each GGUF file costs and keeps: size, load time, peak memory, latency of the first token, tokens per "
        "second, and the quality of its greedy answers to the same validation rows, measured by llama.cpp on this "
        "machine's CPU, one process for each file."
    ),
)
def edge_report(
    context: dg.AssetExecutionContext,
    runtime: dg.ResourceParam[Runtime],
    gguf_artifacts: Artifact,
    sharegpt_val: Artifact,
) -> dg.MaterializeResult[Artifact]:
    settings = runtime.profile.edge
    split = sharegpt_val.path / VALIDATION_FILE
    files = [GgufFile(**record) for record in gguf_artifacts.read_json(REPORT)["files"]]
    with runtime.step(context) as step:
        rendered = runtime.run_module(
            context,
            "fc_assets.edge.measurement.prompts_job",
            {
                "tokenizer": gguf_artifacts.path / TOKENIZER_FOLDER,
                "split": split,
                "rows": settings.rows,
                "context": settings.context,
                "max_tokens": settings.max_tokens,
            },
            step.scratch,
        )
        job = {
            "prompts": rendered["prompts"],
            "context": settings.context,
            "threads": settings.threads,
            "max_tokens": settings.max_tokens,
        }
        asked = {
            file.kind: runtime.run_module(
                context,
                "fc_assets.edge.measurement.ask_job",
                {"model": gguf_artifacts.path / file.file, **job},
                step.scratch,
                env=LLAMA_ENVIRONMENT,
            )
            for file in files
        }
        rows = report.results(files, asked, split)
        return step.publish(
            [gguf_artifacts, sharegpt_val],
            {
                "files": table(report.table_row(row) for row in rows),
                "quality_and_latency": picture(report.picture_of(rows), "quality over size, latency"),
                **report.headline(rows),
                "rows_too_long": rendered["too_long"],
            },
            report={"rows": [asdict(row) for row in rows], "too_long": rendered["too_long"], "asked": asked},
        )


ASSETS = [gguf_artifacts, edge_report]
