"""`vllm_deployment` where no engine runs: it says so, stays unmaterialised, and the run goes on."""

from pathlib import Path

import dagster as dg
import pytest

from fc_assets.release.assets import vllm_deployment
from fc_assets.release.checks import CHECKS
from fc_assets.resources import build_resources
from fc_assets_tests.release.lineage import Home


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-such.sock")


def test_without_an_engine_the_run_succeeds_and_nothing_is_deployed(
    tmp_path: Path, no_engine: None, capfd: pytest.CaptureFixture[str]
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        home = Home(tmp_path, instance)
        home.run()
        home.promote()
        result = dg.materialize(
            [*home.assets, home.promoted_policy, vllm_deployment, *CHECKS],
            selection=dg.AssetSelection.assets("vllm_deployment"),
            resources=build_resources(home.profile, tmp_path),
            instance=instance,
        )
        assert result.success
        assert instance.get_latest_materialization_event(dg.AssetKey("vllm_deployment")) is None
        assert not (tmp_path / "deployment").exists()
    assert "vllm_deployment stays unmaterialised: no Docker engine answers" in capfd.readouterr().err
