"""What the file system refused, as one sentence for people: no space, no permission, read-only, removed meanwhile.

Only what a person can put right is here; every other OSError is a defect, and stays what it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fc_assets.errors import FcAssetsError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM)
_NEARLY_FULL = 1 << 20
"""Bytes: a disk with less than this is called full."""


class NoSpaceError(FcAssetsError):
    """The disk, or the user's share of it, is full; nothing was published."""


class RefusedError(FcAssetsError):
    """The file system did not let this user write or read there; nothing was published."""


@contextlib.contextmanager
def said_in_words(home: Path, doing: str) -> Iterator[None]:
    """Raise a refusal that the block meets as `NoSpaceError` or `RefusedError`; `doing` is such as `writing thing`."""
    try:
        yield
    except OSError as error:
        if (refusal := refusal_of(error, home, doing)) is not None:
            raise refusal from error
        raise


def refusal_of(error: OSError, home: Path, doing: str) -> FcAssetsError | None:
    """The error for people behind an OSError, or None when no person can put it right."""
    if error.errno in _FULL:
        return _no_space(_full_disks(home), home, doing)
    where = _where(error, home)
    if error.errno == errno.EROFS:
        return RefusedError(
            f"{where} is on a disk that is mounted read-only, so {doing} is not possible; nothing was published: mount "
            "it for writing, or name another folder"
        )
    if error.errno in _NOT_ALLOWED:
        return RefusedError(
            f"{where} may not be used by {_user(os.geteuid())}{_owned(where)}, so {doing} is not possible; nothing was "
            "published: give the folder to this user (chown), or name another one"
        )
    if error.errno == errno.ENOTDIR:
        return RefusedError(f"{where} leads through a file where a folder is expected: move that file, or name another")
    return None


def no_space(home: Path, doing: str) -> NoSpaceError | None:
    """The error for people where a disk is full now; for a process that could not even write that into its log."""
    full = _full_disks(home)
    return _no_space(full, home, doing) if full else None


def _no_space(full: list[Path], home: Path, doing: str) -> NoSpaceError:
    where = f"of {' and of '.join(str(folder) for folder in full)}" if full else f"below {home}"
    return NoSpaceError(
        f"No space left on the disk {where} while {doing}; nothing was published: free some space (`fc-assets gc` "
        "lists what nobody needs), or raise this user's quota, and start again"
    )


def _full_disks(home: Path) -> list[Path]:
    return [folder for folder in (home, Path(tempfile.gettempdir())) if _free(folder) < _NEARLY_FULL]


def _free(folder: Path) -> int:
    with contextlib.suppress(OSError):
        free_files = os.statvfs(folder).f_favail
        # Some file systems count no files, and say 0 of 0.
        return shutil.disk_usage(folder).free if free_files or not os.statvfs(folder).f_files else 0
    return _NEARLY_FULL


def _where(error: OSError, home: Path) -> Path:
    return Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else home


def _owned(path: Path) -> str:
    """Whose the nearest folder is that exists."""
    for each in (path, *path.parents):
        with contextlib.suppress(OSError):
            return f" ({each} belongs to {_user(each.stat().st_uid)})"
    return ""


def _user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
