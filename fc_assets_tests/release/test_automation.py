"""When promotion happens by itself: after a new report, once every gate on the lineage has passed, in whatever run."""

from pathlib import Path

import dagster as dg
import pytest

from fc_assets.foundation.resources import build_resources
from fc_assets.release.sensors import SENSORS
from fc_assets_tests.support.lineage import Home

PROMOTED = dg.AssetKey("promoted_policy")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Home(tmp_path, instance)


class Daemon:
    """Ticks of the automation sensor, each with the memory of the one before."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.cursor = None

    def requests_promotion(self) -> bool:
        definitions = dg.Definitions(
            assets=[*self.home.assets, self.home.promoted_policy],
            asset_checks=self.home.checks,
            resources=build_resources(self.home.profile, self.home.folder),
        )
        result = dg.evaluate_automation_conditions(
            definitions, self.home.instance, asset_selection=dg.AssetSelection.assets(PROMOTED), cursor=self.cursor
        )
        self.cursor = result.cursor
        return result.get_num_requested(PROMOTED) > 0


@pytest.fixture
def daemon(home: Home) -> Daemon:
    daemon = Daemon(home)
    assert not daemon.requests_promotion()
    return daemon


def test_a_new_report_with_its_gates_passed_is_promoted_once(home: Home, daemon: Daemon) -> None:
    home.run()
    assert daemon.requests_promotion()
    home.promote()
    assert not daemon.requests_promotion()


def test_a_failed_gate_holds_it_back_until_a_later_run_passes(home: Home, daemon: Daemon) -> None:
    home.run()
    home.failing = {"lora_adapter"}
    home.judge("lora_adapter")
    assert not daemon.requests_promotion()
    home.failing = set()
    home.judge("lora_adapter")
    assert daemon.requests_promotion()


def test_new_data_alone_is_no_reason(home: Home, daemon: Daemon) -> None:
    home.run()
    assert daemon.requests_promotion()
    home.promote()
    home.salt["xlam_raw"] = "new"
    home.remake("xlam_raw")
    assert not daemon.requests_promotion()


def test_the_sensor_that_promotes_runs_from_the_start() -> None:
    (promote,) = SENSORS
    assert promote.name == "promote"
    assert promote.default_status is dg.DefaultSensorStatus.RUNNING
