"""A file is there whole or not at all, whatever stopped its writer."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fc_assets.edge.conversion.whole_file import whole_file
from fc_assets.errors import FcAssetsError


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.gguf") as part:
        part.write_bytes(b"GGUF")
        assert not (tmp_path / "a.gguf").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.gguf"]


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "does not fit on its disk; free some space"), (errno.EROFS, "cannot be written")],
)
def test_what_the_disk_refuses_leaves_nothing(number: int, said: str, tmp_path: Path) -> None:
    with pytest.raises(FcAssetsError, match=rf"a\.gguf {said}"), whole_file(tmp_path / "a.gguf") as part:
        part.write_bytes(b"GG")
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


def test_any_other_failure_leaves_nothing_either(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a tensor"), whole_file(tmp_path / "a.gguf") as part:
        part.write_bytes(b"GG")
        raise ValueError("a tensor")
    assert list(tmp_path.iterdir()) == []
