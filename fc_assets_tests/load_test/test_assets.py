"""The serving assets, checks and schedules in a real instance; the server is an external, scripted one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fc_assets.foundation.artifacts import Artifact
from fc_assets.foundation.resources import Runtime, build_resources
from fc_assets.load_test.assets import OVERDUE, assets, benchmark_matrix, serving_recommendation
from fc_assets.load_test.checks import (
    CHECKS,
    server_was_the_limit,
    slo_is_kept,
    slo_is_reachable,
    workers_did_not_march,
)
from fc_assets.load_test.findings.recommendation import Recommendation, write_recommendation
from fc_assets.load_test.schedules import schedules
from fc_assets.names import MATRIX_CELLS, RECOMMENDATION
from fc_assets.profiles import Profile, load_profile
from fc_assets_tests.load_test.conftest import ROW
from fc_assets_tests.support.checks import judge
from fc_assets_tests.support.external_models import models_of
from fc_assets_tests.support.scripted_server import ScriptedServer, answer


@dg.asset
def promoted_policy(
    context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]
) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        (step.out / "release.json").write_text(json.dumps({"run": context.run.run_id}))
        return step.publish([], {})


@dg.asset
def sharegpt_val(
    context: dg.AssetExecutionContext, runtime: dg.ResourceParam[Runtime]
) -> dg.MaterializeResult[Artifact]:
    with runtime.step(context) as step:
        (step.out / "sharegpt_val.json").write_text(json.dumps([ROW]))
        return step.publish([], {})


UPSTREAM = [promoted_policy, sharegpt_val]
DEMO = load_profile("demo")
SCHEDULED = DEMO.model_copy(update={"benchmark": DEMO.benchmark.model_copy(update={"schedules_on": True})})
ASSETS = assets(DEMO)


def small_profile(api_url: str) -> Profile:
    profile = load_profile("demo")
    benchmark = profile.benchmark.model_copy(
        update={
            "quick_concurrency": (1, 2),
            "quick_context_lengths": (16,),
            "request_rates": (50.0,),
            "output_tokens": 4,
            "tool_call_tokens": 4,
            "requests_per_cell": 8,
            "capacity_seconds": 0,
            "slo": profile.benchmark.slo.model_copy(update={"at_concurrency": 2}),
        }
    )
    server = profile.server.model_copy(update={"api_url": api_url})
    return profile.model_copy(update={"benchmark": benchmark, "server": server})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ScriptedServer]:
    """It says that it serves every release."""

    def models() -> str:
        return json.dumps(models_of(tmp_path, [("fc-policy", "promoted_policy")]))

    with ScriptedServer(lambda body: answer(body, first_s=0.01, gap_s=0.002), {"/v1/models": models}) as scripted:
        yield scripted


def materialize(
    assets: list, profile: Profile, home: Path, instance: dg.DagsterInstance, *, selection: list | None = None
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        assets,
        selection=selection,
        resources=build_resources(profile, home=home),
        instance=instance,
        raise_on_error=False,
    )


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {evaluation.check_name: evaluation.passed for evaluation in result.get_asset_check_evaluations()}


@pytest.mark.sees_red("client_and_server_agree", "not_slower_than_before")
def test_matrix_and_recommendation_materialise_and_are_compared_the_next_time(
    tmp_path: Path, server: ScriptedServer
) -> None:
    instance, small = dg.DagsterInstance.ephemeral(), small_profile(server.url)
    profile = small.model_copy(update={"benchmark": small.benchmark.model_copy(update={"capacity_seconds": 1})})
    first = materialize([*UPSTREAM, *ASSETS, *CHECKS], profile, tmp_path, instance)
    assert first.success
    passed = checks_of(first)
    assert not passed.pop("client_and_server_agree")  # this server has no metrics, and that is said
    assert all(passed.values())
    (matrix,) = first.asset_materializations_for_node("benchmark_matrix")
    release = instance.get_latest_materialization_event(dg.AssetKey("promoted_policy")).asset_materialization
    served = f"fc-policy-{release.metadata['sha256'].value[:16]}"
    assert matrix.metadata["measured"].value == f"external, claimed by name: {served}"
    rows = [record.data["cell"] for record in matrix.metadata["cells"].value.records]
    expected = ["closed-c1-ctx16", "closed-c2-ctx16", "open-rate50-ctx16", "tools-free-c2", "tools-constrained-c2"]
    assert rows == expected
    assert 0 < matrix.metadata["ttft_p95_s"].value < 1
    assert not list((tmp_path / "resume" / "benchmark_matrix").iterdir())
    assert matrix.metadata["closed_capacity"].value >= 2
    assert "requests under way met the SLO" in matrix.metadata["capacity"].value
    recommended = json.loads(next(tmp_path.glob(f"artifacts/serving_recommendation/*/{RECOMMENDATION}")).read_text())
    assert recommended["settings"]["max_num_seqs"] == profile.server.max_num_seqs

    server.script = lambda body: answer(body, first_s=0.15, gap_s=0.002)
    again = materialize([*UPSTREAM, *ASSETS, *CHECKS], profile, tmp_path, instance, selection=[benchmark_matrix])
    assert again.success
    second = materialize(
        [*UPSTREAM, *ASSETS, *CHECKS],
        profile,
        tmp_path,
        instance,
        selection=dg.AssetSelection.checks_for_assets(benchmark_matrix),
    )
    assert not checks_of(second)["not_slower_than_before"]


def test_the_full_mode_tries_every_pair_of_server_settings(tmp_path: Path, server: ScriptedServer) -> None:
    small = small_profile(server.url)
    full = small.benchmark.model_copy(
        update={
            "mode": "full",
            "concurrency": (1, 2),
            "context_lengths": (16,),
            "request_rates": (),
            "tool_call_tokens": 0,
            "sweep_max_num_seqs": (2,),
            "sweep_max_num_batched_tokens": (16, 32),
        }
    )
    instance = dg.DagsterInstance.ephemeral()
    profile = small.model_copy(update={"benchmark": full})
    assert materialize([*UPSTREAM, *ASSETS], profile, tmp_path, instance).success
    (file,) = tmp_path.glob(f"artifacts/serving_recommendation/*/{RECOMMENDATION}")
    recommended = json.loads(file.read_text())
    pairs = [(row["max_num_seqs"], row["max_num_batched_tokens"]) for row in recommended["sweep"]]
    assert pairs[:2] == [(2, 16), (2, 32)]
    assert [row["extra"] for row in recommended["sweep"]] == [
        "",
        "",
        "no prefix caching",
        "n-gram speculation of 4 tokens",
    ]
    assert pairs[2] == pairs[3] in pairs[:2]
    assert {row["cell"] for row in recommended["sweep"]} == {"closed-c2-ctx16"}
    assert recommended["settings"]["max_num_seqs"] == 2
    assert not list((tmp_path / "resume" / "serving_recommendation").iterdir())


def test_a_recommendation_for_another_release_is_refused(tmp_path: Path, server: ScriptedServer) -> None:
    instance, profile = dg.DagsterInstance.ephemeral(), small_profile(server.url)
    assets = [*UPSTREAM, *ASSETS]
    assert materialize(assets, profile, tmp_path, instance).success
    assert materialize(assets, profile, tmp_path, instance, selection=[promoted_policy]).success
    result = materialize(assets, profile, tmp_path, instance, selection=[serving_recommendation])
    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert "measured another release" in str(failure.event_specific_data.error)


def test_a_server_that_does_not_say_that_it_serves_the_release_is_not_measured(
    tmp_path: Path, server: ScriptedServer
) -> None:
    server.gets["/v1/models"] = '{"data": [{"id": "policy"}]}'
    result = materialize([*UPSTREAM, *ASSETS], small_profile(server.url), tmp_path, dg.DagsterInstance.ephemeral())
    (failure,) = result.get_step_failure_events()
    assert "serves policy, and nothing says that one of them is" in str(failure.event_specific_data.error)
    assert not server.exchanges


@pytest.mark.sees_red("slo_is_kept", "slo_is_reachable", "server_was_the_limit")
def test_a_server_that_is_too_slow_and_a_client_that_is_are_seen(tmp_path: Path) -> None:
    cell = {"cell": "c", "kind": "closed", "concurrency": DEMO.benchmark.slo.at_concurrency, "error_rate": 0.0}
    fast = {"ttft_p95_s": 0.01, "tpot_p95_s": 0.001, "output_tokens_per_s": 1.0, "goodput_per_s": 1.0}

    def red(checks: list[dg.AssetChecksDefinition], asset: str, write: Callable[[Path], None], home: str) -> set[str]:
        found = judge(checks, asset, write, tmp_path / home)
        return {name for name, evaluation in found.items() if not evaluation.passed}

    def matrix(**change: object) -> Callable[[Path], None]:
        row = {**cell, **fast, "client_limited": False, **change}
        return lambda out: pq.write_table(pa.Table.from_pylist([row]), out / MATRIX_CELLS)

    for home, change, wanted in (
        ("healthy", {}, set()),
        ("slow", {"ttft_p95_s": 60.0}, {"slo_is_kept"}),
        ("client", {"client_limited": True}, {"server_was_the_limit"}),
        ("elsewhere", {"concurrency": 10_000}, {"slo_is_kept"}),
    ):
        assert red([slo_is_kept, server_was_the_limit], "benchmark_matrix", matrix(**change), home) == wanted

    def recommended(holds: bool) -> Callable[[Path], None]:
        sizes = {"max_num_seqs": 8, "max_num_batched_tokens": 64, "max_model_len": 64}
        found = Recommendation(
            **sizes, slo_concurrency=8 * holds, slo_broken_at=None, knees={}, holds=holds, flags=[], reasons=[]
        )
        return lambda out: write_recommendation(found, DEMO.benchmark.slo, [], out)

    assert red([slo_is_reachable], "serving_recommendation", recommended(True), "reached") == set()
    assert red([slo_is_reachable], "serving_recommendation", recommended(False), "missed") == {"slo_is_reachable"}


@pytest.mark.sees_red("no_request_failed")
def test_a_failed_request_blocks_what_comes_after(tmp_path: Path, server: ScriptedServer) -> None:
    numbers = iter(range(10_000))
    server.script = lambda body: answer(body)[: -1 if next(numbers) % 4 == 3 else None]
    instance, profile = dg.DagsterInstance.ephemeral(), small_profile(server.url)
    result = materialize([*UPSTREAM, *ASSETS, *CHECKS], profile, tmp_path, instance)
    assert not result.success
    assert not checks_of(result)["no_request_failed"]
    assert not result.asset_materializations_for_node("serving_recommendation")


def test_a_dead_server_fails_the_step_with_its_cell_and_keeps_the_rest(tmp_path: Path, server: ScriptedServer) -> None:
    instance, profile = dg.DagsterInstance.ephemeral(), small_profile(server.url)

    def dies_in_the_second_cell(body: dict) -> list:
        if len(server.exchanges) > 15:
            server.gets.clear()
            return []
        return answer(body)

    server.script = dies_in_the_second_cell
    result = materialize([*UPSTREAM, *ASSETS], profile, tmp_path, instance)
    (failure,) = result.get_step_failure_events()
    said = str(failure.event_specific_data.error)
    assert "gone in cell closed-c2-ctx16" in said
    assert "1 of 5 cells are finished and kept" in said
    assert [path.name for path in tmp_path.glob("resume/benchmark_matrix/*/*.json")] == ["closed-c1-ctx16.json"]


def evaluate(schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance) -> tuple[int, str]:
    data = schedule.evaluate_tick(dg.build_schedule_context(instance=instance))
    return len(data.run_requests or []), data.skip_message or ""


def test_schedules_follow_the_profile_and_say_what_they_do() -> None:
    for profile, status in ((DEMO, "STOPPED"), (SCHEDULED, "RUNNING")):
        quick, full = schedules(profile)
        assert (quick.cron_schedule, full.cron_schedule) == ("0 2 * * *", "0 3 * * 0")
        assert quick.default_status.value == full.default_status.value == status
        assert "night" in quick.description
        assert "week" in full.description


def test_no_refresh_before_the_first_release_nor_while_one_is_going(tmp_path: Path, server: ScriptedServer) -> None:
    with dg.DagsterInstance.local_temp() as instance:
        quick, _ = schedules(load_profile("demo"))
        assert evaluate(quick, instance) == (
            0,
            "promoted_policy has not been materialised yet: there is nothing to measure.",
        )
        assert materialize(UPSTREAM, small_profile(server.url), tmp_path, instance).success
        assert evaluate(quick, instance)[0] == 1
        going = instance.create_run_for_job(
            dg.Definitions(assets=[*UPSTREAM, *ASSETS], jobs=[dg.define_asset_job("by_hand", [benchmark_matrix])],
                           resources=build_resources(home=tmp_path)).resolve_job_def("by_hand"),
            asset_selection=frozenset({benchmark_matrix.key}),
            status=dg.DagsterRunStatus.STARTED,
        )  # fmt: skip
        runs, skipped = evaluate(quick, instance)
        assert runs == 0
        assert going.run_id in skipped


def test_the_refresh_jobs_are_valid_and_set_the_mode(tmp_path: Path) -> None:
    definitions = dg.Definitions(
        assets=[*UPSTREAM, *ASSETS], schedules=schedules(load_profile("demo")), resources=build_resources(home=tmp_path)
    )
    for mode in ("quick", "full"):
        job = definitions.resolve_job_def(f"benchmark_{mode}")
        assert job.run_config["resources"]["profile"]["config"]["benchmark"]["mode"] == mode
        assert set(job.asset_layer.executable_asset_keys) == {benchmark_matrix.key, serving_recommendation.key}


def test_both_assets_wait_for_the_card() -> None:
    for asset in ASSETS:
        assert asset.op.pool == "gpu"
        (spec,) = asset.specs
        assert spec.group_name == "serving"
        assert spec.description


def test_a_matrix_is_overdue_only_where_something_refreshes_it() -> None:
    (matrix,) = assets(DEMO)[0].specs
    assert matrix.freshness_policy is None
    (matrix,) = assets(SCHEDULED)[0].specs
    assert matrix.freshness_policy == OVERDUE


@pytest.mark.sees_red("workers_did_not_march")
@pytest.mark.parametrize("marched", [True, False])
def test_a_cell_that_marched_is_warned_of(tmp_path: Path, marched: bool) -> None:
    rows = [{"cell": "closed-c1", "marched": None}, {"cell": "closed-c8", "marched": marched}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / MATRIX_CELLS)
    result = workers_did_not_march(Artifact("benchmark_matrix", tmp_path, "digest", {}))
    assert result.passed is not marched
    assert result.severity == dg.AssetCheckSeverity.WARN
    assert result.metadata["marched"].value == ("closed-c8" if marched else "")
