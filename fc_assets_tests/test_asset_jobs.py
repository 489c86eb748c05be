"""The named jobs select what their names say."""

import dagster as dg
import pytest

from fc_assets.definitions import build_defs
from fc_assets.profiles import load_profile
from fc_assets_tests.support.graph import ASSETS

RELEASE, DEPLOYMENT = "promoted_policy", "vllm_deployment"
BENCHMARK = {"benchmark_matrix", "serving_recommendation"}
SELECTED = {
    "data": {name for name, group in ASSETS.items() if group == "data"},
    "train": {name for name, group in ASSETS.items() if group == "training"},
    "evaluate": {name for name, group in ASSETS.items() if group == "evaluation"},
    "benchmark_quick": BENCHMARK,
    "benchmark_full": BENCHMARK,
    "export_edge": {name for name, group in ASSETS.items() if group == "edge"},
    "release": {RELEASE},
    "deploy": {DEPLOYMENT},
    "everything": set(ASSETS),
}


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_defs(load_profile("demo"))


@pytest.mark.parametrize("name", SELECTED)
def test_a_job_makes_what_it_says(defs: dg.Definitions, name: str) -> None:
    job = defs.resolve_job_def(name)
    assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} == SELECTED[name]
    assert job.description


def test_no_other_job_is_there(defs: dg.Definitions) -> None:
    jobs = {job.name for job in defs.get_repository_def().get_all_jobs()}
    assert {name for name in jobs if not name.startswith("__")} == set(SELECTED)


def test_everything_runs_every_check(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    assert set(defs.resolve_job_def("everything").asset_layer.asset_graph.asset_check_keys) == set(
        graph.asset_check_keys
    )
