"""The artefact store: immutable, atomic, verified; what a crash leaves behind is swept away."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact, ArtifactChangedError, ArtifactStore
from fc_assets.foundation.filesystem.refusals import NoSpaceError
from fc_assets.foundation.resume_folders import held
from fc_assets_tests.support.manifests import set_created


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "home")


def publish(store: ArtifactStore, content: str = "hello", asset: str = "thing") -> Artifact:
    with store.workspace(asset) as folder:
        out = folder / "out"
        (out / "sub").mkdir(parents=True)
        (out / "a.txt").write_text(content)
        (out / "sub" / "b.txt").write_text("b")
        return store.publish(asset, out, inputs={"upstream": "d1"}, code_version="1", profile="demo")


def test_publish_and_open_give_the_same_artifact(store: ArtifactStore) -> None:
    artifact = publish(store)
    assert artifact.path == store.home / "artifacts" / "thing" / artifact.digest[:16]
    assert (artifact.path / "a.txt").read_text() == "hello"
    assert artifact.bytes == 6
    assert store.open("thing", artifact.digest) == artifact


def test_the_newest_is_the_one_that_was_made_last(store: ArtifactStore) -> None:
    assert store.newest("thing") is None
    first = publish(store)
    set_created(first.path, "2020-01-01T00:00:00+00:00")
    second = publish(store, "hullo")
    assert store.newest("thing") == second
    assert publish(store).digest == first.digest
    newest = store.newest("thing")
    assert newest and newest.created >= second.created, "made again, it is the latest"


def test_the_digest_depends_on_names_and_bytes_only(store: ArtifactStore, tmp_path: Path) -> None:
    first = publish(store)
    again = publish(ArtifactStore(tmp_path / "elsewhere"))
    other = publish(store, "hullo")
    assert first.digest == again.digest != other.digest


def test_publishing_the_same_bytes_twice_keeps_the_first(store: ArtifactStore) -> None:
    first = publish(store)
    before = (first.path / "a.txt").stat().st_ino
    assert publish(store).path == first.path
    assert (first.path / "a.txt").stat().st_ino == before


@pytest.mark.parametrize("damage", ["change", "add", "remove", "rename"])
def test_any_change_is_noticed_and_named(store: ArtifactStore, damage: str) -> None:
    artifact = publish(store)
    file = artifact.path / "a.txt"
    if damage == "change":
        file.write_text("hellp")
    elif damage == "add":
        (artifact.path / "c.txt").write_text("")
    elif damage == "remove":
        file.unlink()
    else:
        file.rename(artifact.path / "z.txt")
    with pytest.raises(ArtifactChangedError, match=f"thing at .*{artifact.digest}"):
        artifact.verify()
    with pytest.raises(ArtifactChangedError):
        store.open("thing", artifact.digest)


def test_a_damaged_copy_is_replaced_by_publishing_again(store: ArtifactStore) -> None:
    artifact = publish(store)
    (artifact.path / "a.txt").write_text("damaged")
    assert publish(store).verify().digest == artifact.digest


def test_a_failed_step_leaves_nothing(store: ArtifactStore) -> None:
    with pytest.raises(ZeroDivisionError), store.workspace("thing") as folder:
        (folder / "half").write_text("x")
        1 / 0  # noqa: B018
    assert list(store.staging().iterdir()) == []
    assert not (store.home / "artifacts").exists()


def test_a_killed_step_is_swept_and_a_running_one_is_not(store: ArtifactStore) -> None:
    script = (
        "import os, sys; from pathlib import Path; from fc_assets.foundation.artifacts import ArtifactStore\n"
        "with ArtifactStore(Path(sys.argv[1])).workspace('thing') as folder:\n"
        "    (folder / 'half').write_text('x'); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(store.home)]).returncode == -9
    assert len(list(store.staging().iterdir())) == 1
    with store.workspace("other") as mine:
        assert list(store.staging().iterdir()) == [mine]
        assert store.sweep() == 0
        assert mine.is_dir()


def test_no_space_is_one_sentence(store: ArtifactStore) -> None:
    with (
        pytest.raises(NoSpaceError, match=r"No space left .* while writing thing; nothing was published"),
        store.workspace("thing"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_really_full_disk_publishes_nothing(store: ArtifactStore) -> None:
    """/dev/full is a device on which every write fails for want of space."""
    with pytest.raises(NoSpaceError), store.workspace("thing"), open("/dev/full", "w") as full:
        full.write("x" * 100_000)
        full.flush()
    assert not (store.home / "artifacts").exists()


def test_links_and_empty_folders_are_refused(store: ArtifactStore) -> None:
    with store.workspace("thing") as folder, pytest.raises(FcAssetsError, match="no file"):
        store.publish("thing", folder)
    with store.workspace("thing") as folder:
        (folder / "link").symlink_to("/etc/hostname")
        with pytest.raises(FcAssetsError, match="symbolic link"):
            store.publish("thing", folder)


def test_a_missing_artifact_says_what_to_do(store: ArtifactStore) -> None:
    with pytest.raises(FcAssetsError, match="materialise thing again"):
        store.open("thing", "0" * 64)


def test_a_resume_folder_is_found_again_only_by_the_same_work(store: ArtifactStore) -> None:
    first = store.resume_folder("thing", {"lr": 1})
    (first / "checkpoint").write_text("x")
    assert (store.resume_folder("thing", {"lr": 1}) / "checkpoint").is_file()
    assert not list(store.resume_folder("thing", {"lr": 2}).iterdir())
    assert not first.exists()


def test_a_resume_folder_in_which_somebody_works_is_left_alone(store: ArtifactStore) -> None:
    first = store.resume_folder("thing", {"lr": 1})
    with held(first, "run"):
        (first / "checkpoint").write_text("x")
        store.resume_folder("thing", {"lr": 2})
        assert (first / "checkpoint").is_file()
