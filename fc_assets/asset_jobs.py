"""The named jobs: the parts of the graph that people materialise as one, from the page or by `dg launch --job NAME`.

Only the choice of assets belongs here. The jobs that a schedule or sensor starts (`benchmark_quick`, `benchmark_full`,
`deploy`) stand beside that schedule or sensor. The job of a child process is another thing: see
`foundation.child_processes.jobs`.
"""

from __future__ import annotations

import dagster as dg

from fc_assets import names

ASSET_JOBS = [
    dg.define_asset_job(
        "data",
        selection=dg.AssetSelection.groups("data"),
        description="Read the source and write the training and validation splits.",
    ),
    dg.define_asset_job(
        "train",
        selection=dg.AssetSelection.groups("training"),
        description="Fetch the base model, then SFT, merge and GRPO, from the splits that exist; DPO where it is on.",
    ),
    dg.define_asset_job(
        "evaluate",
        selection=dg.AssetSelection.groups("evaluation"),
        description="Ask the models, run the leaderboard's checker and write the report with its gates.",
    ),
    dg.define_asset_job(
        "release",
        selection=dg.AssetSelection.assets(names.PROMOTED_POLICY),
        description="Promote the policy if every gate on its lineage passed.",
    ),
    dg.define_asset_job(
        "export_edge",
        selection=dg.AssetSelection.groups("edge"),
        description="Write the release as GGUF files and measure each of them.",
    ),
    dg.define_asset_job(
        "everything",
        selection=dg.AssetSelection.all(),
        description="The whole graph, from the source to the deployment. Nothing is made behind a gate that failed.",
    ),
]
