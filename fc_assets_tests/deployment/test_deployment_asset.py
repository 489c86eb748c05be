"""`vllm_deployment` where no engine runs, or its image is missing: its page says so, and the run fails if it must."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from fc_assets.deployment.assets import vllm_deployment
from fc_assets.deployment.checks import CHECKS
from fc_assets.deployment.record import DeploymentRecord
from fc_assets.foundation.json_files import write_json
from fc_assets.foundation.resources import build_resources
from fc_assets.names import DEPLOYMENT_RECORD
from fc_assets.profiles import Profile, load_profile
from fc_assets_tests.support.checks import judge
from fc_assets_tests.support.docker_engine import why_skipped
from fc_assets_tests.support.lineage import Home, failure


@pytest.fixture
def no_daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-such.sock")


@pytest.fixture
def no_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No program at all is found, so no `docker` either."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def demo_with(**deployment: object) -> Profile:
    demo = load_profile("demo")
    return demo.model_copy(update={"deployment": demo.deployment.model_copy(update=deployment)})


def deploy_nothing(folder: Path, profile: Profile | None = None) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    """Materialise `vllm_deployment` on a promoted policy, which leaves no deployment; also what its page says."""
    with dg.DagsterInstance.ephemeral() as instance:
        home = Home(folder, instance, profile)
        home.run()
        home.promote()
        result = dg.materialize(
            [*home.assets, home.promoted_policy, vllm_deployment, *CHECKS],
            selection=dg.AssetSelection.assets("vllm_deployment"),
            resources=build_resources(home.profile, folder),
            instance=instance,
            raise_on_error=False,
        )
        assert instance.get_latest_materialization_event(dg.AssetKey("vllm_deployment")) is None
        assert not (folder / "deployment").exists()
        observed = instance.fetch_observations(dg.AssetKey("vllm_deployment"), limit=10).records
        return result, [str(record.asset_observation.metadata["skipped"].value) for record in observed]


def test_without_docker_the_page_says_that_nothing_was_deployed_and_why(tmp_path: Path, no_docker: None) -> None:
    result, (reason,) = deploy_nothing(tmp_path)
    assert result.success
    assert reason.startswith("no Docker engine answers on this machine (install Docker")
    (observation,) = [event for event in result.all_events if event.event_type_value == "ASSET_OBSERVATION"]
    said = observation.asset_observation_data.asset_observation.description
    assert said == f"Skipped, nothing was deployed: {reason}"


def test_a_daemon_that_is_down_is_no_docker_either(
    tmp_path: Path, no_daemon: None, capfd: pytest.CaptureFixture[str]
) -> None:
    result, (reason,) = deploy_nothing(tmp_path)
    assert result.success and reason.startswith("no Docker engine answers")
    assert "vllm_deployment: Skipped, nothing was deployed: no Docker engine answers" in capfd.readouterr().err


def test_without_docker_a_required_deployment_fails_the_run(tmp_path: Path, no_docker: None) -> None:
    result, reasons = deploy_nothing(tmp_path, demo_with(required=True))
    assert not result.success and not reasons
    said = failure(result)
    assert said.startswith("Nothing was deployed: no Docker engine answers")
    assert "set deployment.required to false" in said


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.parametrize("required", [False, True])
def test_without_its_image_it_says_how_to_get_it(tmp_path: Path, required: bool) -> None:
    if skipped := why_skipped():
        pytest.skip(skipped)
    result, reasons = deploy_nothing(tmp_path, demo_with(image="fc-assets-never-built:test", required=required))
    assert result.success is not required
    said = failure(result) if required else reasons[0]
    assert "the image fc-assets-never-built:test is not on this machine" in said


@pytest.mark.sees_red("deployed_release_answers")
def test_a_stack_that_does_not_answer_is_seen(tmp_path: Path) -> None:
    record = DeploymentRecord(release="a" * 64, image="i", since="now", url="u", steps=[])
    deployment = load_profile("demo").deployment.model_copy(update={"port": 9})  # discard: nothing answers there
    profile = load_profile("demo").model_copy(update={"deployment": deployment})
    found = judge(
        CHECKS,
        "vllm_deployment",
        lambda out: write_json(out / DEPLOYMENT_RECORD, record.model_dump()),
        tmp_path,
        profile,
    )
    assert not found["deployed_release_answers"].passed


def test_the_stack_is_looked_at_only_once_something_is_deployed(tmp_path: Path) -> None:
    check = dg.AssetCheckKey(dg.AssetKey("vllm_deployment"), "deployed_release_answers")
    with dg.DagsterInstance.ephemeral() as instance:
        home = Home(tmp_path, instance)
        definitions = dg.Definitions(
            assets=[*home.assets, home.promoted_policy, vllm_deployment],
            asset_checks=CHECKS,
            resources=build_resources(home=tmp_path),
        )

        def requested(at: datetime, cursor: object = None) -> tuple[int, object]:
            result = dg.evaluate_automation_conditions(
                definitions,
                instance,
                asset_selection=dg.AssetSelection.checks(check),
                evaluation_time=at,
                cursor=cursor,
            )
            return result.total_requested, result.cursor

        start = datetime(2026, 1, 1, 12, 5, tzinfo=UTC)
        _, cursor = requested(start)
        assert requested(start + timedelta(minutes=6), cursor)[0] == 0
        instance.report_runless_asset_event(dg.AssetMaterialization("vllm_deployment"))
        assert requested(start + timedelta(minutes=6), cursor)[0] == 1
