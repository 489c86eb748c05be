"""What a home may lose: nothing that a release, the newest artefacts, or anything young was made from."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fc_assets import cli
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import HOME_VARIABLE, Artifact, ArtifactStore
from fc_assets.foundation.json_files import write_json
from fc_assets.maintenance.garbage import Stored, needed, remove, stored
from fc_assets.names import MANIFEST, PROMOTED_POLICY
from fc_assets_tests.support.manifests import set_created

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def publish(
    store: ArtifactStore, asset: str, text: str, days_old: float, made_from: tuple[Artifact, ...] = ()
) -> Artifact:
    with store.workspace(asset) as folder:
        (folder / "out").mkdir()
        (folder / "out" / "file.txt").write_text(text)
        made = store.publish(asset, folder / "out", inputs={each.asset: each.digest for each in made_from})
    set_created(made.path, (NOW - timedelta(days=days_old)).isoformat())
    return made


@pytest.fixture
def made(tmp_path: Path) -> Mapping[str, Artifact]:
    """Data, model and release of 90, 60 and 30 days ago; the youngest model was not released."""
    store, found = ArtifactStore(tmp_path), {}
    for number, days in enumerate((90, 60, 30), start=1):
        data = publish(store, "xlam_raw", f"rows {number}", days)
        model = publish(store, "predictions/sft", f"answers {number}", days, (data,))
        found |= {f"data {number}": data, f"model {number}": model}
        if number < 3:
            found[f"release {number}"] = publish(store, PROMOTED_POLICY, f"card {number}", days, (model,))
    return found


def kept(
    made: Mapping[str, Artifact], tmp_path: Path, days: float = 7, releases: int = 0, serving: str = ""
) -> set[str]:
    names = needed(
        stored(ArtifactStore(tmp_path)),
        since=NOW - timedelta(days=days),
        releases=releases,
        serving=[made[serving].digest] if serving else [],
    )
    return {name for name, artifact in made.items() if (artifact.asset, artifact.digest) in names}


NEWEST = {"data 3", "model 3", "data 2", "model 2", "release 2"}


def test_the_newest_of_every_asset_is_kept_with_all_it_was_made_from(
    made: Mapping[str, Artifact], tmp_path: Path
) -> None:
    assert kept(made, tmp_path) == NEWEST


def test_releases_are_kept_with_their_lineage_as_many_as_are_asked_for(
    made: Mapping[str, Artifact], tmp_path: Path
) -> None:
    assert kept(made, tmp_path, releases=1) == NEWEST
    assert kept(made, tmp_path, releases=2) == set(made)


def test_what_serves_or_served_before_is_kept_however_old_it_is(made: Mapping[str, Artifact], tmp_path: Path) -> None:
    assert kept(made, tmp_path, serving="release 1") == set(made)


def test_what_is_young_is_kept_with_all_it_was_made_from(made: Mapping[str, Artifact], tmp_path: Path) -> None:
    young = publish(ArtifactStore(tmp_path), "eval_report", "report", 1, (made["model 1"],))
    publish(ArtifactStore(tmp_path), "eval_report", "newer report", 0.5)
    everything = {**made, "young": young}
    assert kept(everything, tmp_path) == NEWEST | {"young", "model 1", "data 1"}
    assert kept(everything, tmp_path, days=0.1) == NEWEST


def garbage(store: ArtifactStore, of: Artifact) -> list[Stored]:
    return [each for each in stored(store) if each.digest == of.digest]


def test_what_is_removed_is_gone_with_the_records_of_its_runs(made: Mapping[str, Artifact], tmp_path: Path) -> None:
    store, old = ArtifactStore(tmp_path), made["data 1"]
    records = store.record_folder(old.asset, old.digest, "run")
    records.mkdir(parents=True)
    (records / "times.json").write_text("{}")
    assert remove(store, garbage(store, old)) > len("{}")
    assert not old.path.exists() and not records.exists()
    assert list(store.staging().iterdir()) == []
    assert {each.digest for each in stored(store)} == {each.digest for each in made.values()} - {old.digest}


def test_nothing_is_removed_while_a_step_is_at_work(made: Mapping[str, Artifact], tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    with store.workspace("sft"), pytest.raises(FcAssetsError, match=r"A step is at work in .* wait for its end"):
        remove(store, garbage(store, made["data 1"]))
    assert made["data 1"].path.exists()


def test_a_manifest_that_cannot_be_read_is_named(made: Mapping[str, Artifact], tmp_path: Path) -> None:
    write_json(made["data 1"].path / MANIFEST, {"asset": "xlam_raw"})
    with pytest.raises(FcAssetsError, match=r"MANIFEST\.json is not as xlam_raw was published"):
        stored(ArtifactStore(tmp_path))


def test_the_command_changes_nothing_until_it_is_told_to(
    made: Mapping[str, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    assert cli.main(["gc", "--days", "0"]) == 0
    assert "All of it is needed" in capsys.readouterr().out
    assert cli.main(["gc", "--days", "0", "--releases", "1"]) == 0
    assert "`fc-assets gc --delete`" in capsys.readouterr().out
    assert all(artifact.path.exists() for artifact in made.values())
    assert cli.main(["gc", "--days", "0", "--releases", "1", "--delete"]) == 0
    assert "MB were deleted" in capsys.readouterr().out
    assert {name for name, artifact in made.items() if artifact.path.exists()} == NEWEST


def test_an_empty_home_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "none"))
    assert cli.main(["gc"]) == 0
    assert "There is no artefact below" in capsys.readouterr().out
