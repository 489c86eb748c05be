"""The whole graph on the demo profile, once, for real: every asset, every gate, and the order of the three models.

It runs from a wheel in an empty folder, as an installed package does: what the wheel lacks is found here.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest

from fc_assets.definitions import build_defs
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.foundation.resources import latest_artifact
from fc_assets.names import REPORT
from fc_assets.profiles import load_profile
from fc_assets.training.training_log import fell_beyond_chance
from fc_assets_tests.support.graph import ASSETS, ROOT
from fc_assets_tests.support.wheel import unpacked_wheel

pytestmark = [pytest.mark.slow, pytest.mark.vllm]
NEEDS_DOCKER = "vllm_deployment"


class Demo:
    """A finished demo run: its output, its instance and its artefacts."""

    def __init__(self, folder: Path) -> None:
        self.home, self.dagster_home = folder / "artifacts", folder / "dagster"
        self.dagster_home.mkdir()
        (self.dagster_home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
        self.env = {
            **os.environ,
            "PYTHONPATH": str(unpacked_wheel(folder)),
            "FC_PROFILE": "demo",
            "FC_ASSETS_HOME": str(self.home),
            "DAGSTER_HOME": str(self.dagster_home),
        }
        empty = folder / "empty"
        empty.mkdir()
        self.before = set(psutil.pids())
        self.done = subprocess.run(
            [sys.executable, "-m", "fc_assets.cli", "demo"], env=self.env, cwd=empty, capture_output=True, text=True
        )
        self.instance = dg.DagsterInstance.from_config(str(self.dagster_home))

    def artifact(self, name: str) -> Artifact:
        return latest_artifact(self.instance, ArtifactStore(self.home), dg.AssetKey(name.split("/")))

    def metadata(self, name: str) -> dict[str, object]:
        event = self.instance.get_latest_materialization_event(dg.AssetKey(name.split("/")))
        assert event is not None, f"{name} was not materialised"
        return {key: value.value for key, value in event.asset_materialization.metadata.items()}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("demo"))
    print(demo.done.stdout)
    print(demo.done.stderr, file=sys.stderr)
    yield demo
    demo.instance.dispose()


def test_it_ends_well_and_prints_its_tables(demo: Demo) -> None:
    assert demo.done.returncode == 0, demo.done.stdout[-6000:] + demo.done.stderr[-6000:]
    for words in (
        "The models",
        "Load test",
        "GGUF files",
        "make ui FC_PROFILE=demo, then open http://127.0.0.1:3000",
    ):
        assert words in demo.done.stdout


def test_every_asset_is_there_with_lineage_digest_and_table(demo: Demo) -> None:
    digests = {}
    for name in set(ASSETS) - {NEEDS_DOCKER}:
        metadata = demo.metadata(name)
        assert demo.artifact(name).digest == metadata["sha256"]
        digests[name] = metadata["sha256"]
        assert any(hasattr(value, "records") or isinstance(value, list) for value in metadata.values()), name
    for name in digests:
        for upstream, digest in demo.metadata(name)["inputs"].items():
            assert digests[upstream] == digest, f"{name} was made from another {upstream}"


def test_every_check_ran_and_all_gates_passed(demo: Demo) -> None:
    """A check of severity WARN may fail: timings of a machine that does other work as well are such."""
    checks = build_defs(load_profile("demo"), demo.home).resolve_asset_graph().asset_check_keys
    for key in checks:
        record = demo.instance.get_latest_asset_check_evaluation_record(key)
        if key.asset_key.to_user_string() == NEEDS_DOCKER:
            continue
        assert record is not None, f"{key} never ran"
        evaluation = record.evaluation
        warned = evaluation.severity == dg.AssetCheckSeverity.WARN
        assert evaluation.passed or warned, f"{key}: {evaluation.description}"


def test_the_models_come_in_order(demo: Demo) -> None:
    """Base below SFT beyond doubt; GRPO not below SFT beyond chance; the sampled reward did not fall."""
    results = demo.artifact("eval_report").read_json("results.json")
    variants = results["variants"]
    intervals = {name: variants[name]["intervals"] for name in variants}
    for metric in ("exact_match", "parse_rate"):
        assert intervals["base"][metric][1] < intervals["sft"][metric][0], metric
    (against_sft,) = [
        found
        for found in results["comparisons"]
        if (found["first"], found["second"], found["metric"]) == ("sft", "grpo", "exact_match")
    ]
    assert against_sft["high"] > -0.02
    log = demo.artifact("grpo_policy").read_json(REPORT)["log"]
    assert not fell_beyond_chance([record["reward"] for record in log])


def test_nothing_is_left_behind(demo: Demo) -> None:
    assert list((demo.home / "staging").iterdir()) == []
    assert [path for path in (demo.home / "resume").rglob("*") if path.is_file()] == []
    left = [
        process.info
        for process in psutil.process_iter(["pid", "cmdline"])  # skips what ends meanwhile
        if process.pid not in demo.before and str(demo.home) in " ".join(process.info["cmdline"] or ())
    ]
    assert left == []


def test_nothing_that_was_made_says_where_its_home_lies(demo: Demo) -> None:
    """So that the home can be moved."""
    made = [file for folder in ("artifacts", "records") for file in (demo.home / folder).rglob("*") if file.is_file()]
    assert [str(file) for file in made if str(demo.home).encode() in file.read_bytes()] == []
    for name in set(ASSETS) - {NEEDS_DOCKER}:
        found = [key for key, value in demo.metadata(name).items() if str(demo.home) in str(value)]
        assert found == [], name


def test_one_asset_alone_from_its_upstream(demo: Demo) -> None:
    """Again, in a run of its own: the merged model has the same digest, as nothing it depends on has changed."""
    before = demo.artifact("merged_model")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "dagster",
            "asset",
            "materialize",
            "--select",
            "merged_model",
            "-m",
            "fc_assets.definitions",
        ],
        env=demo.env,
        cwd=demo.home,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert demo.artifact("merged_model").files["model/model.safetensors"] == before.files["model/model.safetensors"]


def test_a_changed_byte_in_a_model_stops_what_would_use_it(demo: Demo) -> None:
    artifact = demo.artifact("lora_adapter")
    file = artifact.path / "adapter" / "adapter_model.safetensors"
    original = file.read_bytes()
    file.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    try:
        job = build_defs(load_profile("demo"), demo.home).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=demo.instance, asset_selection=[dg.AssetKey("merged_model")], raise_on_error=False
        )
    finally:
        file.write_bytes(original)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    sentence = failure.event_specific_data.user_failure_data.description
    assert "lora_adapter at" in sentence
    assert artifact.digest in sentence
    assert json.dumps(sentence).count("\\n") == 0
