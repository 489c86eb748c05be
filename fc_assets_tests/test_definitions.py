"""The code location: complete, described, quick to load, and free of model libraries."""

import json
import subprocess
import sys

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from fc_assets.definitions import build_defs
from fc_assets.foundation.gpu import GPU_POOL
from fc_assets.profiles import load_profile, profile_names
from fc_assets_tests.support.graph import ASSETS, ROOT

ON_THE_GPU = {
    "lora_adapter",
    "merged_model",
    "grpo_policy",
    "predictions/base",
    "predictions/sft",
    "predictions/grpo",
    "bfcl_scores/base",
    "bfcl_scores/sft",
    "bfcl_scores/grpo",
    "benchmark_matrix",
    "serving_recommendation",
}
STAGES = ("data", "training", "evaluation", "serving", "edge")


@pytest.fixture(scope="module")
def graph() -> AssetGraph:
    return build_defs(load_profile("demo")).resolve_asset_graph()


@pytest.mark.parametrize("name", profile_names())
def test_the_definitions_are_valid_for_every_profile(name: str) -> None:
    dg.Definitions.validate_loadable(build_defs(load_profile(name)))


def test_every_asset_is_there_grouped_and_described(graph: AssetGraph) -> None:
    nodes = {node.key.to_user_string(): node for node in graph.asset_nodes if node.is_materializable}
    assert {name: node.group_name for name, node in nodes.items()} == ASSETS
    for name, node in nodes.items():
        assert node.description and len(node.description) > 80, f"{name} does not say what it is"
        assert node.kinds, f"{name} has no kinds"
        assert node.owners, f"{name} has no owner"
        assert node.code_version, f"{name} has no code version"


def test_gpu_steps_share_the_pool_and_ask_for_a_card(graph: AssetGraph) -> None:
    pooled = {
        node.key.to_user_string()
        for node in graph.asset_nodes
        if node.is_materializable and GPU_POOL in (node.pools or ())
    }
    assert pooled == ON_THE_GPU


def test_each_stage_has_a_blocking_gate(graph: AssetGraph) -> None:
    blocking = {
        graph.get(key.asset_key).group_name for key in graph.asset_check_keys if graph.get_check_spec(key).blocking
    }
    assert set(STAGES) <= blocking


def test_variants_hang_on_their_own_models(graph: AssetGraph) -> None:
    for variant, model in {"base": "base_model", "sft": "merged_model", "grpo": "grpo_policy"}.items():
        parents = {key.to_user_string() for key in graph.get(dg.AssetKey(["predictions", variant])).parent_keys}
        assert parents == {model, "sharegpt_val"}


def test_schedules_and_the_sensor_are_listed_and_described() -> None:
    repository = build_defs(load_profile("demo")).get_repository_def()
    assert len(repository.schedule_defs) >= 2
    assert repository.sensor_defs
    for definition in [*repository.schedule_defs, *repository.sensor_defs]:
        assert definition.description, f"{definition.name} does not say what it does"


def test_the_active_profile_is_named_at_each_asset_and_at_its_resource() -> None:
    defs = build_defs(load_profile("gpu-12gb"))
    nodes = [node for node in defs.resolve_asset_graph().asset_nodes if node.is_materializable]
    assert {node.metadata["active_profile"] for node in nodes} == {"gpu-12gb"}
    assert defs.resources["profile"].description.startswith("gpu-12gb: ")


def test_loading_the_definitions_imports_no_model_library() -> None:
    heavy = ["torch", "transformers", "vllm", "datasets", "trl", "peft", "pandas", "scipy", "matplotlib", "apprise"]
    code = f"import sys, json, fc_assets.definitions; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_an_unknown_profile_stops_the_code_location_with_one_sentence() -> None:
    code = "import fc_assets.definitions"
    env = {"FC_PROFILE": "nonsense", "PATH": "/usr/bin"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode
    assert "There is no profile 'nonsense'" in done.stderr.strip().splitlines()[-1]


def test_the_demo_tells_of_an_unknown_profile_in_one_line() -> None:
    env = {"FC_PROFILE": "nonsense", "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-m", "fc_assets.cli", "demo"], capture_output=True, text=True, env=env, cwd=ROOT
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: There is no profile 'nonsense'")


def test_the_instance_has_telemetry_off_and_one_gpu_slot() -> None:
    config = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert config["telemetry"] == {"enabled": False}
    assert config["concurrency"]["pools"] == {"default_limit": 1, "granularity": "op"}
    assert config["run_monitoring"]["enabled"]
    with dg.DagsterInstance.local_temp(overrides=config) as instance:
        assert not instance.telemetry_enabled
