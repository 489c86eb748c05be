"""`vllm_deployment` where no engine runs, or its image is missing: it says so and the run goes on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from fc_assets.deployment.assets import vllm_deployment
from fc_assets.deployment.checks import CHECKS
from fc_assets.foundation.resources import build_resources
from fc_assets.profiles import Profile, load_profile
from fc_assets_tests.support.docker_engine import why_skipped
from fc_assets_tests.support.lineage import Home


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-such.sock")


def assert_nothing_is_deployed(folder: Path, profile: Profile | None = None) -> None:
    """Materialise `vllm_deployment` on a promoted policy: the run succeeds and leaves no deployment."""
    with dg.DagsterInstance.ephemeral() as instance:
        home = Home(folder, instance, profile)
        home.run()
        home.promote()
        result = dg.materialize(
            [*home.assets, home.promoted_policy, vllm_deployment, *CHECKS],
            selection=dg.AssetSelection.assets("vllm_deployment"),
            resources=build_resources(home.profile, folder),
            instance=instance,
        )
        assert result.success
        assert instance.get_latest_materialization_event(dg.AssetKey("vllm_deployment")) is None
        assert not (folder / "deployment").exists()


def test_without_an_engine_the_run_succeeds_and_nothing_is_deployed(
    tmp_path: Path, no_engine: None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert_nothing_is_deployed(tmp_path)
    assert "vllm_deployment stays unmaterialised: no Docker engine answers" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.docker
def test_without_its_image_the_run_succeeds_and_says_how_to_get_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if reason := why_skipped():
        pytest.skip(reason)
    demo = load_profile("demo")
    never_built = demo.deployment.model_copy(update={"image": "fc-assets-never-built:test"})
    assert_nothing_is_deployed(tmp_path, demo.model_copy(update={"deployment": never_built}))
    assert "the image fc-assets-never-built:test is not on this machine" in capfd.readouterr().err


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
