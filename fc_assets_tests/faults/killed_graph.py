"""A small graph in which each step has a trainer, for kills: `python -m THIS` runs it as a run's worker does.

`$FC_ASSETS_HOME` is its home, `$DAGSTER_HOME` its instance. The exit status is 0 when every step did well.
"""

import sys

import dagster as dg

from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.asset_options import ON_THE_GPU
from fc_assets.foundation.dead_runs import end_dead_runs
from fc_assets.foundation.resources import Runtime, build_resources, with_settings
from fc_assets.profiles import load_profile
from fc_assets_tests.faults import killed_graph
from fc_assets_tests.faults.counting_job import CountJob

STEPS = 10
PAUSE_S = 0.1
SIZE = 2_000_000
NAMES = ("first", "second")


def build(name: str, *upstream: str) -> dg.AssetsDefinition:
    """An asset that counts in a process of its own, and then writes some MB."""

    @dg.asset(name=name, ins={each: dg.AssetIn(each) for each in upstream}, code_version="1", **ON_THE_GPU)
    def counted(
        context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime], **inputs: Artifact
    ) -> dg.MaterializeResult[Artifact]:
        with runtime.step(context) as step:
            artifacts = list(inputs.values())
            resume = runtime.resume_folder(context.asset_key, artifacts, runtime.profile.sft)
            job = CountJob(upto=STEPS, checkpoints=resume, pause_s=PAUSE_S)
            done = runtime.run_job(context, job, step.scratch)
            for number in range(4):
                (step.out / f"file{number}").write_bytes(f"{name} {done.total} {number}".encode() * (SIZE // 20))
            return step.publish(artifacts, {"total": done.total}, resume=resume)

    return counted


ASSETS = [build("first"), build("second", "first")]
PROFILE = load_profile("demo")
defs = dg.Definitions(
    assets=with_settings(ASSETS, PROFILE),
    jobs=[dg.define_asset_job("everything")],
    resources=build_resources(PROFILE),
)


def job() -> dg.JobDefinition:
    """Every asset, by Dagster's multiprocess executor."""
    return defs.resolve_job_def("everything")


if __name__ == "__main__":
    with dg.DagsterInstance.get() as instance:
        end_dead_runs(instance)
        result = dg.execute_job(dg.reconstructable(killed_graph.job), instance)
    sys.exit(0 if result.success else 1)
