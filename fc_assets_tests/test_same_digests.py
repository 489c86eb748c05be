"""From the source to the GGUF files, twice, in two fresh homes, with real engines: the same work has the same digest.

The two runs differ in all that may differ: the folders, the order of sets, the times, how answers are batched.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.foundation.resources import latest_artifact
from fc_assets.names import RUN_COST
from fc_assets_tests.support.graph import ASSETS, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.vllm]
SMALL = ROOT / "fc_assets_tests" / "support" / "small.yaml"
MEASUREMENTS = {
    "benchmark_matrix": "latencies and throughput are what it holds",
    "serving_recommendation": "it follows from the numbers of the load test",
    "k8s_bundle": "its server settings are those that the load test recommends",
    "edge_report": "the times and the memory of each file are what it holds",
    "vllm_deployment": "since when a release serves, and how it was probed, are what it holds",
}
"""Assets that may differ from run to run, and why; all others must not."""
REPRODUCED = sorted(set(ASSETS) - set(MEASUREMENTS))
TIMED = [name for name in REPRODUCED if name.startswith(("predictions", "bfcl", "lora", "grpo"))]


class Chain:
    """A run of the chain, in processes of its own."""

    def __init__(self, folder: Path, hash_seed: str) -> None:
        self.home, self.dagster_home = folder / "home", folder / "dagster"
        self.dagster_home.mkdir(parents=True)
        (self.dagster_home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
        self.output = folder / "output.txt"
        env = {
            **os.environ,
            "FC_PROFILE": str(SMALL),
            "FC_ASSETS_HOME": str(self.home),
            "DAGSTER_HOME": str(self.dagster_home),
            "PYTHONHASHSEED": hash_seed,
        }
        config = json.dumps({"execution": {"config": {"in_process": {}}}})
        argv = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "fc_assets.definitions"]
        argv += ["--select", '+key:"gguf_artifacts"', "--config-json", config]
        with self.output.open("w") as stream:
            self.process = subprocess.Popen(argv, env=env, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT)

    def wait(self) -> None:
        """Wait for its end, and open what it made: `artifacts`, by asset."""
        assert self.process.wait() == 0, self.output.read_text()[-6000:]
        store = ArtifactStore(self.home)
        with dg.DagsterInstance.from_config(str(self.dagster_home)) as instance:
            self.artifacts = {name: latest_artifact(instance, store, asset_key(name)) for name in REPRODUCED}


def asset_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/"))


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Chain]]:
    # Side by side: it saves time, and each disturbs the other's timing.
    running = [Chain(tmp_path_factory.mktemp("chain"), seed) for seed in ("1", "2")]
    try:
        for chain in running:
            chain.wait()
        yield running
    finally:
        for chain in running:
            chain.process.terminate()


def test_the_same_work_has_the_same_digest(chains: list[Chain]) -> None:
    first, second = (chain.artifacts for chain in chains)
    different = {
        name: sorted(file for file in first[name].files if first[name].files[file] != second[name].files.get(file))
        for name in REPRODUCED
        if first[name].digest != second[name].digest
    }
    assert different == {}


def test_what_each_run_took_lies_beside(chains: list[Chain]) -> None:
    for chain in chains:
        for name in TIMED:
            of_runs = ArtifactStore(chain.home).record_folder(name, chain.artifacts[name].digest, "")
            assert [(run / RUN_COST).is_file() for run in of_runs.iterdir()] == [True], name
