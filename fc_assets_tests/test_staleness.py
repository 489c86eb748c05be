"""Which assets a change makes stale: a setting of a section, a module of the code, other bytes upstream.

What is expected stands in two tables here, and not in the code that is tested.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    CachingStaleStatusResolver,
    StaleStatus,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.loader import LoadingContextForTest

from fc_assets.definitions import build_defs
from fc_assets.profiles import Profile, load_profile, parse_profile
from fc_assets_tests.support.graph import ASSETS, ROOT

DEMO = load_profile("demo")
PREDICTIONS = {"predictions/base", "predictions/sft", "predictions/grpo"}
BFCL = {"bfcl_scores/base", "bfcl_scores/sft", "bfcl_scores/grpo"}
SERVING = {"k8s_bundle", "vllm_deployment"}
SPLITS = {"sharegpt_train", "sharegpt_val"}
LINEAGE = {
    *("xlam_raw", "base_model", "lora_adapter", "merged_model", "grpo_policy", "eval_report"),
    *(SPLITS | PREDICTIONS | BFCL),
}
MADE_FROM: dict[str, set[str]] = {
    "xlam_raw": set(),
    "sharegpt_train": {"xlam_raw"},
    "sharegpt_val": {"xlam_raw"},
    "base_model": set(),
    "lora_adapter": {"base_model", "sharegpt_train"},
    "merged_model": {"base_model", "lora_adapter", "sharegpt_train"},
    "grpo_policy": {"merged_model", "sharegpt_train"},
    "predictions/base": {"base_model", "sharegpt_val"},
    "predictions/sft": {"merged_model", "sharegpt_val"},
    "predictions/grpo": {"grpo_policy", "sharegpt_val"},
    "bfcl_scores/base": {"base_model"},
    "bfcl_scores/sft": {"merged_model"},
    "bfcl_scores/grpo": {"grpo_policy"},
    "eval_report": {"sharegpt_val"} | PREDICTIONS | BFCL,
    "promoted_policy": LINEAGE,
    "benchmark_matrix": {"promoted_policy", "sharegpt_val"},
    "serving_recommendation": {"promoted_policy", "sharegpt_val", "benchmark_matrix"},
    "gguf_artifacts": {"promoted_policy"},
    "edge_report": {"gguf_artifacts", "sharegpt_val"},
    "k8s_bundle": {"promoted_policy", "serving_recommendation"},
    "vllm_deployment": {"promoted_policy", "serving_recommendation"},
}
CHANGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "data": ({"seed": 7}, {"xlam_raw"} | SPLITS),
    "base_model": ({"revision": "abc"}, {"base_model"} | SPLITS),
    "sft": ({"epochs": 9.0}, {"lora_adapter", "merged_model"}),
    "grpo": ({"beta": 0.5}, {"grpo_policy", "eval_report"}),
    "dpo": ({"beta": 0.5}, set()),  # the demo does not have that arm
    "server": (
        {"max_num_seqs": 7},
        PREDICTIONS | BFCL | {"promoted_policy", "benchmark_matrix", "serving_recommendation"} | SERVING,
    ),
    "evaluation": ({"max_tokens": 7}, PREDICTIONS | BFCL | {"eval_report", "vllm_deployment"}),
    "bfcl": ({"rows_per_category": 7}, BFCL),
    "trackers": ({"report_to": ("wandb",)}, set()),
    "gates": ({"significance": 0.01}, set()),
    "benchmark": ({"output_tokens": 7}, {"benchmark_matrix", "serving_recommendation"}),
    "edge": ({"rows": 7}, {"gguf_artifacts", "edge_report"}),
    "deployment": ({"canary_rows": 7}, {"promoted_policy"} | SERVING),
    "kubernetes": ({"namespace": "other"}, SERVING),
    "hub": ({"repository": "somebody/policy"}, set()),
}
"""For each section a change of one of its fields, and the assets that read the section."""
MODULES = {
    "training/grpo/grpo_job.py": {"grpo_policy"},
    "training/sft/sft_job.py": {"lora_adapter"},
    "training/trainer/running.py": {"lora_adapter", "merged_model", "grpo_policy"},
    "data/curation/gold.py": {"xlam_raw"} | SPLITS,  # rows made for own tools are audited by it
    "evaluation/bfcl/checker.py": BFCL,
    "evaluation/inference/prompt_ids_job.py": PREDICTIONS,
    "evaluation/inference/client.py": PREDICTIONS | BFCL,
    "evaluation/report/templates/report.html.j2": {"eval_report"},
    "release/card.py": {"promoted_policy"},
    "load_test/findings/recommendation.py": {"serving_recommendation"},
    "edge/measurement/report.py": {"edge_report"},
    "deployment/proxy.py": {"vllm_deployment"},
    "deployment/kubernetes/bundle.py": {"k8s_bundle"},
    "names.py": set(),
    "foundation/resources.py": set(),
}
"""Modules of the package, and the assets whose work they do."""


def asset_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/"))


def below(changed: set[str]) -> set[str]:
    """These assets and all that is made from them."""
    found = set(changed)
    while more := {name for name, inputs in MADE_FROM.items() if inputs & found} - found:
        found |= more
    return found


def changed_profile(section: str, fields: Mapping[str, Any]) -> Profile:
    values = DEMO.model_dump()
    values[section].update(fields)
    return parse_profile(values, section)


def versions_with(profile: Profile) -> dict[str, str]:
    """The code versions of a location with this profile."""
    graph = build_defs(profile).resolve_asset_graph()
    return {key.to_user_string(): graph.get(key).code_version or "" for key in graph.materializable_asset_keys}


class Graph:
    """The whole graph, every asset of which was materialised with the demo's settings.

    `versions` are the assets' code versions as the location has them, `bytes` what stands for each asset's digest.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        location = build_defs(DEMO)
        self.definitions = [each for each in location.assets or () if isinstance(each, dg.AssetsDefinition)]
        self.resources = location.resources
        self.deploy(versions_with(DEMO))
        self.bytes = dict.fromkeys(MADE_FROM, "first")
        for name in MADE_FROM:
            self.make(name)

    def deploy(self, versions: Mapping[str, str]) -> None:
        """From now on the location has these code versions."""
        self.versions = versions

        def versioned(spec: dg.AssetSpec) -> dg.AssetSpec:
            return spec.replace_attributes(code_version=versions[spec.key.to_user_string()])

        definitions = [definition.map_asset_specs(versioned) for definition in self.definitions]
        self.graph = dg.Definitions(definitions, resources=self.resources).resolve_asset_graph()

    def make(self, name: str) -> None:
        """A materialisation of the asset as the location would record it now."""
        tags = {
            CODE_VERSION_TAG: self.versions[name],
            DATA_VERSION_TAG: self.bytes[name],
            DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
        }
        for upstream in MADE_FROM[name]:
            record = self.instance.fetch_materializations(asset_key(upstream), limit=1).records[0]
            tags[get_input_data_version_tag(asset_key(upstream))] = self.bytes[upstream]
            tags[get_input_event_pointer_tag(asset_key(upstream))] = str(record.storage_id)
        self.instance.report_runless_asset_event(dg.AssetMaterialization(asset_key(name), tags=tags))

    def stale(self) -> set[str]:
        """What the page shows as stale."""
        resolver = CachingStaleStatusResolver(self.instance, self.graph, LoadingContextForTest(self.instance))
        statuses = {name: resolver.get_status(asset_key(name)) for name in MADE_FROM}
        assert StaleStatus.MISSING not in statuses.values()
        return {name for name, status in statuses.items() if status == StaleStatus.STALE}

    def change(self, section: str) -> None:
        self.deploy(versions_with(changed_profile(section, CHANGES[section][0])))

    def remake(self, *, other_bytes: bool) -> set[str]:
        """Make what is stale, in the graph's order, until nothing is; returns all that was made."""
        made: set[str] = set()
        while found := self.stale():
            name = next(name for name in MADE_FROM if name in found)
            assert name not in made, f"{name} is stale again after it was made"
            if other_bytes:
                self.bytes[name] = "other"
            self.make(name)
            made.add(name)
        return made


@pytest.fixture
def graph() -> Iterator[Graph]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Graph(instance)


def test_the_tables_are_of_this_graph_and_this_profile() -> None:
    keys = build_defs(DEMO).resolve_asset_graph()
    assert set(MADE_FROM) == set(ASSETS)
    parents = {name: {key.to_user_string() for key in keys.get(asset_key(name)).parent_keys} for name in MADE_FROM}
    assert parents == MADE_FROM
    assert set(CHANGES) == set(Profile.model_fields) - {"name", "description"}


def test_without_a_change_nothing_is_stale(graph: Graph) -> None:
    assert graph.stale() == set()


@pytest.mark.parametrize("section", CHANGES)
def test_a_changed_setting_makes_stale_what_reads_its_section(section: str, graph: Graph) -> None:
    graph.change(section)
    assert graph.stale() == CHANGES[section][1]


@pytest.mark.parametrize("section", ["sft", "bfcl", "edge"])
def test_what_is_made_from_other_bytes_is_made_again_and_from_the_same_bytes_not(section: str, graph: Graph) -> None:
    graph.change(section)
    assert graph.remake(other_bytes=False) == CHANGES[section][1]
    graph.deploy(versions_with(DEMO))
    assert graph.remake(other_bytes=True) == below(CHANGES[section][1])


@pytest.fixture(scope="module")
def versions_after(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The assets' code versions in a copy of the package, by the module that was changed; "" for none."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "fc_assets", folder / "fc_assets", ignore=shutil.ignore_patterns("__pycache__"))
    script = folder / "versions.py"
    script.write_text(_VERSIONS)
    env = {**os.environ, "PYTHONPATH": str(folder), "FC_PROFILE": "demo"}
    done = subprocess.run([sys.executable, script, *MODULES], env=env, capture_output=True, text=True, check=True)
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


_VERSIONS = """
import json, sys
from pathlib import Path
from fc_assets.foundation import code_version as versions

version_of = versions.code_version
versions.code_version = lambda *modules: "|".join(modules)  # which modules each asset names

from fc_assets.definitions import build_defs

graph = build_defs().resolve_asset_graph()
named = {key.to_user_string(): graph.get(key).code_version.split("+") for key in graph.materializable_asset_keys}

def versions_now():
    for cached in (version_of, versions._imported, versions._modules):
        cached.cache_clear()
    return {name: f"{version_of(*modules.split('|'))}+{settings}" for name, (modules, settings) in named.items()}

found = {"": versions_now()}
for module in sys.argv[1:]:
    file = Path(__file__).parent / "fc_assets" / module
    before = file.read_bytes()
    file.write_bytes(before + b"\\n")
    found[module] = versions_now()
    file.write_bytes(before)
print(json.dumps(found))
"""


@pytest.mark.parametrize("module", MODULES)
def test_a_changed_module_makes_stale_what_its_code_makes(
    module: str, graph: Graph, versions_after: dict[str, dict[str, str]]
) -> None:
    assert versions_after[""] == graph.versions, "the copy is the package"
    graph.deploy(versions_after[module])
    assert graph.stale() == MODULES[module]
