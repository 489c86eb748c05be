"""A lock is on the folder that lies there now, and several users and writers share one staging area."""

import multiprocessing
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.foundation.filesystem.locks import locked
from fc_assets.foundation.filesystem.refusals import RefusedError
from fc_assets_tests.support.users import without_privileges

WRITERS = 6
ROUNDS = 150


def make_many(home: Path, writer: int) -> None:
    store = ArtifactStore(home)
    for number in range(ROUNDS):
        with store.workspace("thing") as folder:
            (folder / "out").mkdir()
            (folder / "out" / "file").write_text(f"{writer} {number % 5}")
            if number % 10 == 0:
                store.publish("thing", folder / "out")


def test_writers_that_sweep_one_staging_area_never_meet_a_folder_that_is_gone(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=make_many, args=(tmp_path / "home", writer)) for writer in range(WRITERS)]
    for process in writers:
        process.start()
    for process in writers:
        process.join(60)
    assert [process.exitcode for process in writers] == [0] * WRITERS
    assert list(ArtifactStore(tmp_path / "home").staging().iterdir()) == []


def test_a_folder_that_was_replaced_while_one_waited_is_locked_anew(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def wait_and_write() -> None:
        with locked(folder):
            (folder / "written").touch()

    waiting = threading.Thread(target=wait_and_write)
    with locked(folder):
        waiting.start()
        waiting.join(0.2)
        shutil.move(folder, tmp_path / "old")
        folder.mkdir()
    waiting.join(10)
    assert (folder / "written").is_file() and not (tmp_path / "old" / "written").exists()


@pytest.fixture
def home() -> Iterator[Path]:
    """In a folder that every user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "home"


def test_another_users_staging_folder_stops_no_step(home: Path) -> None:
    foreign = home / "staging" / "thing.foreign"
    foreign.mkdir(parents=True)
    foreign.chmod(0)
    with without_privileges() as user:
        if os.geteuid() != os.getuid():
            _give_to(user, home, home / "staging")
        store = ArtifactStore(home)
        with store.workspace("thing") as folder:
            (folder / "out").mkdir()
            (folder / "out" / "file").write_text("x")
            store.publish("thing", folder / "out")
        assert store.sweep() == 0
    assert foreign.is_dir()
    foreign.chmod(0o755)


def test_a_home_of_another_user_is_one_sentence_that_names_both(home: Path) -> None:
    (home / "staging").mkdir(parents=True)
    for folder in (home / "staging", home):
        folder.chmod(0o555)
    with (
        without_privileges(),
        pytest.raises(RefusedError, match=r"home.* may not be used by user .* belongs to user .*chown"),
        ArtifactStore(home).workspace("thing"),
    ):
        pass
    home.chmod(0o755)


def test_a_home_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    with (
        pytest.raises(RefusedError, match=r"home.* leads through a file where a folder is expected"),
        ArtifactStore(tmp_path / "home").workspace("thing"),
    ):
        pass


def test_a_staging_area_that_is_removed_under_a_step_fails_it_in_words_and_the_next_one_works(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path / "home")
    with (
        pytest.raises(FcAssetsError, match="was removed while thing was written into it; nothing was published"),
        store.workspace("thing") as folder,
    ):
        shutil.rmtree(tmp_path / "home" / "staging")
        (folder / "file").write_text("x")
    with store.workspace("thing") as folder:
        (folder / "file").write_text("x")


def _give_to(user: int, *folders: Path) -> None:
    os.seteuid(0)
    for folder in folders:
        os.chown(folder, user, -1)
    os.seteuid(user)
