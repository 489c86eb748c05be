"""`fc-assets up|down|status|rollback` without a Docker engine, and the releases that they find on disk."""

from pathlib import Path

import pytest

from fc_assets.cli import main
from fc_assets.deployment.releases import kept_release, latest_release
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact, ArtifactStore
from fc_assets.names import PROMOTED_POLICY
from fc_assets_tests.support.manifests import set_created


def release(store: ArtifactStore, content: str, created: str) -> Artifact:
    """A release of one file, promoted at the given time."""
    with store.workspace(PROMOTED_POLICY) as folder:
        out = folder / "out"
        out.mkdir()
        (out / "note.txt").write_text(content)
        artifact = store.publish(PROMOTED_POLICY, out)
    set_created(artifact.path, created)
    return artifact


@pytest.mark.parametrize("command", ["up", "down", "status", "rollback"])
def test_without_an_engine_each_command_says_so(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-such.sock")
    monkeypatch.setenv("FC_ASSETS_HOME", str(tmp_path))
    assert main([command]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: The stack cannot be managed: no Docker engine answers on this machine")
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "deployment").exists()


def test_the_latest_release_is_the_one_promoted_last(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    with pytest.raises(FcAssetsError, match="materialise promoted_policy first"):
        latest_release(store)
    newer = release(store, "a", "2026-02-01T00:00:00+00:00")
    release(store, "b", "2026-01-01T00:00:00+00:00")
    assert latest_release(store).digest == newer.digest


def test_an_earlier_release_is_found_by_sixteen_digits_and_read_again(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    earlier = release(store, "a", "2026-01-01T00:00:00+00:00")
    assert kept_release(store, earlier.digest[:16]).digest == earlier.digest
    with pytest.raises(FcAssetsError, match="There is no release 0123456789abcdef"):
        kept_release(store, "0123456789abcdef")
    (earlier.path / "note.txt").write_text("damaged")
    with pytest.raises(FcAssetsError, match="has changed since it was recorded"):
        kept_release(store, earlier.digest)
