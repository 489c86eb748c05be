"""The DPO arm: where a profile has it on, its assets and gates stand beside the graph's own, and a release asks for
none of them; where it is off, nothing of it is there.
"""

import runpy
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from fc_assets.definitions import build_defs
from fc_assets.foundation.gpu import GPU_POOL
from fc_assets.foundation.resources import build_resources
from fc_assets.profiles import SECTIONS, Profile, load_profile, parse_profile, profile_names
from fc_assets.release.promotion import Gate, GateEvaluation, LineageNode, decide, trace
from fc_assets_tests.support.graph import ASSETS, ROOT

ARM = {"dpo_policy": "training", "predictions/dpo": "evaluation", "bfcl_scores/dpo": "evaluation"}
ON_REPORT = {
    *(f"dpo_{metric}" for metric in ("parse_rate", "function_name_accuracy", "param_f1", "schema_hit", "exec_rate")),
    *("dpo_irrelevance_accuracy", "dpo_keeps_silence", "dpo_is_not_worse_than_sft", "dpo_gains_over_sft"),
}


def with_arm(name: str = "demo", **changes: Any) -> Profile:
    values = load_profile(name).model_dump()
    values["dpo"].update({"enabled": True, **changes})
    return parse_profile(values, name)


@pytest.fixture(scope="module")
def off() -> AssetGraph:
    return build_defs(load_profile("demo")).resolve_asset_graph()


@pytest.fixture(scope="module")
def on() -> AssetGraph:
    return build_defs(with_arm()).resolve_asset_graph()


def groups(graph: AssetGraph) -> dict[str, str]:
    return {node.key.to_user_string(): node.group_name or "" for node in graph.asset_nodes if node.is_materializable}


def parents(graph: AssetGraph, name: str) -> set[str]:
    return {key.to_user_string() for key in graph.get(dg.AssetKey(name.split("/"))).parent_keys}


def blocking(graph: AssetGraph) -> set[dg.AssetCheckKey]:
    return {key for key in graph.asset_check_keys if graph.get_check_spec(key).blocking}


@pytest.mark.parametrize("name", profile_names())
def test_no_shipped_profile_has_it_on_and_every_one_can(name: str) -> None:
    assert not load_profile(name).dpo.enabled
    dg.Definitions.validate_loadable(build_defs(with_arm(name)))


def test_it_adds_its_assets_and_changes_no_other(off: AssetGraph, on: AssetGraph) -> None:
    assert groups(off) == ASSETS
    assert groups(on) == ASSETS | ARM
    for name in ARM:
        node = on.get(dg.AssetKey(name.split("/")))
        assert node.description and node.kinds and node.owners and node.code_version and node.pools == {GPU_POOL}
        assert SECTIONS[name]
    assert parents(on, "dpo_policy") == {"merged_model", "sharegpt_train"}
    assert parents(on, "predictions/dpo") == {"dpo_policy", "sharegpt_val"}
    changed = {name for name in ASSETS if parents(on, name) != parents(off, name)}
    assert changed == {"eval_report"}
    assert parents(on, "eval_report") - parents(off, "eval_report") == {"predictions/dpo", "bfcl_scores/dpo"}
    versions = {name: [graph.get(dg.AssetKey(name.split("/"))).code_version for graph in (off, on)] for name in ASSETS}
    assert [name for name, (before, after) in versions.items() if before != after] == []


def test_its_gates_are_those_of_the_others_and_none_of_them_blocks(off: AssetGraph, on: AssetGraph) -> None:
    added = set(on.asset_check_keys) - set(off.asset_check_keys)
    assert set(off.asset_check_keys) < set(on.asset_check_keys)
    assert blocking(on) == blocking(off)
    named = {(key.asset_key.to_user_string(), key.name) for key in added}
    for asset, of_others in (("predictions/dpo", "predictions/grpo"), ("bfcl_scores/dpo", "bfcl_scores/grpo")):
        wanted = {key.name for key in off.asset_check_keys if key.asset_key.to_user_string() == of_others}
        assert {name for judged, name in named if judged == asset} == wanted
    assert {name for judged, name in named if judged == "eval_report"} == ON_REPORT
    assert {name for judged, name in named if judged == "dpo_policy"} == {"preference_rose", "margin_is_finite"}


def test_a_release_asks_nothing_of_it(off: AssetGraph, on: AssetGraph) -> None:
    """It is in the lineage of the report, and so in the release's record; no gate on it is a condition."""
    assert parents(on, "promoted_policy") == parents(off, "promoted_policy")
    upstream = {"eval_report": {"predictions/dpo"}, "predictions/dpo": {"dpo_policy"}}
    lineage = trace(
        lambda name: LineageNode(name, f"{name} 1", 1, {each: f"{each} 1" for each in upstream.get(name, ())})
    )
    assert {"predictions/dpo", "dpo_policy"} <= set(lineage)
    gates = [Gate(key.asset_key.to_user_string(), key.name) for key in blocking(on)]
    passed = {gate: GateEvaluation(passed=True, target=1) for gate in gates}
    decision = decide(lineage, {}, gates, passed)
    assert not decision.unmet and not [each for each in decision.gates if each.gate.asset in ARM]


def test_a_run_cannot_switch_it() -> None:
    """The graph is fixed when the location is loaded."""
    for profile, other in ((load_profile("demo"), True), (with_arm(), False)):
        resource = build_resources(profile, Path("nowhere"))["profile"]
        assert isinstance(resource, dg.ResourceDefinition)
        context = dg.build_init_resource_context(config={"dpo": {"enabled": other}})
        with pytest.raises(Exception, match="which no run can change") as caught:
            resource(context)
        assert f"sets dpo.enabled to {str(other).lower()}" in str(caught.value)


def test_the_reference_of_the_demo_knows_nothing_of_it() -> None:
    tables = runpy.run_path(str(ROOT / "scripts" / "write_reference.py"))["tables"]()
    assert not [name for name in ARM if f"`{name}`" in tables["assets"] + tables["checks"]]
