"""`make`: a home for each profile, the same that the package finds by itself; none is mixed up with another."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from fc_assets.foundation.artifacts import default_home
from fc_assets.profiles import load_profile
from fc_assets_tests.support.graph import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed on this machine")

SHOW = '--eval=show: ; @printf "%s\\n" "$$DAGSTER_HOME" "$$FC_ASSETS_HOME"'
VARIABLES = ("FC_PROFILE", "FC_ASSETS_HOME", "DAGSTER_HOME")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of the Makefile and what it links, whose set-up has nothing to do; also the working directory."""
    for name in ("Makefile", "dagster.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "setup_env.py").touch()
    for name in ("mine.yaml", "yours.yml"):
        (tmp_path / name).write_text(f"name: {name.split('.')[0]}\ndescription: one of my own\n")
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def make(*arguments: str, **env: str) -> list[str]:
    command = ["make", "--no-print-directory", f"PYTHON={sys.executable}", *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(command, env={**kept, **env}, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("given", ["", "demo", "gpu-12gb", "mine.yaml", "./mine.yaml", "yours.yml"])
def test_a_profiles_homes_are_called_by_its_name(checkout: Path, given: str) -> None:
    name = load_profile(given or None).name
    homes = [str(checkout / ".dagster_home" / name), str(default_home(name))]
    assert homes[1] == str(checkout / ".fc_assets" / name)
    assert make(SHOW, "show", FC_PROFILE=given) == homes
    assert make(SHOW, "show", f"FC_PROFILE={given}") == homes


def test_homes_that_are_named_are_kept(checkout: Path) -> None:
    assert make(SHOW, "show", FC_ASSETS_HOME="/data/home", DAGSTER_HOME="/data/dagster") == [
        "/data/dagster",
        "/data/home",
    ]


def test_one_profiles_graph_shows_nothing_of_anothers(checkout: Path) -> None:
    graphs = {}
    for profile in ("demo", "gpu-12gb"):
        make("setup", FC_PROFILE=profile)
        graphs[profile] = make(SHOW, "show", FC_PROFILE=profile)[0]
        assert Path(graphs[profile], "dagster.yaml").resolve() == checkout / "dagster.yaml"
    made = dg.AssetKey("base_model")
    with (
        dg.DagsterInstance.from_config(graphs["demo"]) as demo,
        dg.DagsterInstance.from_config(graphs["gpu-12gb"]) as card,
    ):
        demo.report_runless_asset_event(dg.AssetMaterialization(made))
        assert demo.get_latest_materialization_event(made)
        assert card.get_latest_materialization_event(made) is None


def test_clean_removes_this_profiles_homes_and_no_others(checkout: Path) -> None:
    homes = [checkout / kind / profile for kind in (".fc_assets", ".dagster_home") for profile in ("demo", "gpu-12gb")]
    for home in homes:
        home.mkdir(parents=True)
    make("clean", FC_PROFILE="gpu-12gb")
    assert [home.exists() for home in homes] == [True, False, True, False]


def test_a_mistyped_profile_is_refused_before_the_page_starts(checkout: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        make("ui", f"BIN={Path(sys.executable).parent}", FC_PROFILE="gpu-9000")
    assert "error: There is no profile 'gpu-9000'" in refused.value.stderr
