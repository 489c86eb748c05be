"""A release's copy on a hub, against one on this machine: what gets there, and what a failed push leaves."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.foundation.resources import latest_artifact
from fc_assets.profiles import load_profile, parse_profile
from fc_assets_tests.support.hub import Hub, serving
from fc_assets_tests.support.lineage import Home, failure

REPOSITORY = "acme/caller"
KEY = f"models/{REPOSITORY}"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    token = "hf_" + "s3cr3t" * 5
    with serving(Hub({}, token=token, root=tmp_path / "hub", writers={"acme": token})) as hub:
        for name, value in {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_TOKEN": token,
        }.items():
            monkeypatch.setenv(name, value)
        yield hub


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One lineage for all tests, each of which has a hub of its own."""
    values = load_profile("demo").model_dump()
    values["hub"]["repository"] = REPOSITORY
    with dg.DagsterInstance.ephemeral() as instance:
        home = Home(tmp_path_factory.mktemp("home"), instance, parse_profile(values, "test"))
        home.run()
        yield home


def digest(home: Home) -> str:
    return latest_artifact(home.instance, ArtifactStore(home.folder), dg.AssetKey("promoted_policy")).digest


def shown(home: Home, result: dg.ExecuteInProcessResult) -> str:
    """All that a push leaves behind for people: events, logs and files."""
    files = [path for path in home.folder.rglob("*") if path.is_file() and path.suffix != ".safetensors"]
    return str(result.all_events) + "".join(path.read_text(errors="replace") for path in files)


def test_a_release_is_pushed_as_one_commit_of_a_private_repository(home: Home, hub: Hub) -> None:
    result = home.promote()
    assert result.success, failure(result)
    folder = hub.repos[KEY]
    assert hub.commits == [f"Release {digest(home)}"]
    assert KEY in hub.private
    assert {"config.json", "model.safetensors", "README.md", "release.json", "MODEL_INFO.json"} <= {
        path.name for path in folder.iterdir()
    }
    assert not (folder / "canary.json").exists()
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)
    metadata = result.asset_materializations_for_node("promoted_policy")[0].metadata
    assert metadata["hub_commit"].value.startswith(f"{hub.url}/{REPOSITORY}/commit/")
    assert hub.token not in shown(home, result)


def test_pushing_the_same_release_twice_changes_nothing(home: Home, hub: Hub) -> None:
    first = home.promote().asset_materializations_for_node("promoted_policy")[0].metadata
    again = home.promote()
    assert again.success, failure(again)
    second = again.asset_materializations_for_node("promoted_policy")[0].metadata
    assert len(hub.commits) == 1
    assert (first["hub_changed"].value, second["hub_changed"].value) == (True, False)
    assert first["hub_commit"].value == second["hub_commit"].value


def test_the_next_release_takes_the_place_of_the_last(home: Home, hub: Hub) -> None:
    home.promote()
    (hub.repos[KEY] / "left-over.txt").write_text("from long ago")
    home.salt["grpo_policy"] = "another"
    home.remake("grpo_policy", "predictions/grpo", "bfcl_scores/grpo", "eval_report")
    result = home.promote()
    assert result.success, failure(result)
    assert len(hub.commits) == 2
    assert not (hub.repos[KEY] / "left-over.txt").exists()
    assert (hub.repos[KEY] / ".gitattributes").exists()


def refuse(part: str, status: int):
    return lambda hub, monkeypatch: hub.refuses.update({part: status})


def without_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")


def wrong_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")


def reading_token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.writers.clear()


def break_off(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.breaks_at = "/commit/"


def nobody_there(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


def offline(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def public(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repos[KEY] = hub.root / "public"
    hub.repos[KEY].mkdir(parents=True)


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (without_token, "HF_TOKEN is not set"),
        (wrong_token, "does not accept the token"),
        (reading_token, "may not write to acme/caller"),
        (refuse("/commit/", 403), "may not write to acme/caller"),
        (refuse("/commit/", 500), "The hub answered 500"),
        (refuse("validate-yaml", 400), "answered 400"),
        (break_off, "broke off"),
        (nobody_there, "could not be asked"),
        (offline, "HF_HUB_OFFLINE forbids"),
        (public, "is public, and hub.private is true"),
    ],
)
def test_a_failed_push_fails_the_run_and_leaves_the_promotion(
    home: Home, hub: Hub, monkeypatch: pytest.MonkeyPatch, trouble, said: str
) -> None:
    trouble(hub, monkeypatch)
    result = home.promote()
    assert not result.success
    message = failure(result)
    assert said in message
    assert f"Release {digest(home)[:16]} is promoted and stands" in message
    assert len(message.splitlines()) == 1
    assert hub.token not in shown(home, result)
    assert not hub.commits


def test_materialising_again_heals_it(home: Home, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    break_off(hub, monkeypatch)
    assert not home.promote().success
    before = digest(home)
    hub.breaks_at = ""
    assert home.promote().success
    assert hub.commits == [f"Release {before}"]


def test_nothing_is_pushed_unless_a_repository_is_named(tmp_path: Path, hub: Hub) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        home = Home(tmp_path / "other", instance)
        home.run()
        assert home.promote().success
    assert hub.requests == []
