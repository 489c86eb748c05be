"""Small disks of their own, to be filled or to be made read-only; only root can mount one."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path


def why_none() -> str:
    """Why no disk can be mounted here; empty where one can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root on Linux may mount a small disk"
    tried = subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
    return "" if tried.returncode == 0 else "this container may not mount a small disk"


@contextlib.contextmanager
def small_disk(folder: Path, size: str, files: int = 0) -> Iterator[Path]:
    """A disk of `size` (such as 2m) mounted at `folder`, with room for so many files; 0 does not bound them."""
    folder.mkdir(exist_ok=True)
    options = f"size={size}" + (f",nr_inodes={files}" if files else "")
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def make_read_only(folder: Path) -> None:
    """Mount the small disk at `folder` anew, so that nobody can write to it."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
