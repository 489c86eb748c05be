"""Folders from which a killed step's next attempt goes on: who holds one now, and when one may go.

A process that writes into such a folder holds it, so that no second one does and no sweep takes it away. What lies in
it is worth hours of work until the materialisation is recorded, which happens after its step has ended: so the step
only notes what it has published from the folder, and a later step removes it once that record is there.

Where the folders lie is `artifacts.ArtifactStore.resume_folder`; what is in them belongs to the rooms. Dagster is asked
by the caller.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.filesystem.locks import lock, locked
from fc_assets.foundation.json_files import write_json

_HOLDER = "holder.json"
_PUBLISHED = "published.json"


class Holder(BaseModel):
    """The process that holds a folder, or held it last; `run` is Dagster's, None for a process started by hand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pid: int
    host: str
    run: str | None


class Publication(BaseModel):
    """What was published from a folder: the asset, and the run that made it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asset: str
    run: str


@contextlib.contextmanager
def held(folder: Path, run: str | None) -> Iterator[None]:
    """Hold `folder`, which is made if need be, for this process; its end, however it comes, lets go.

    Raises `FcAssetsError` naming the holder when another process has it.
    """
    try:
        handle = _lock(folder)
    except BlockingIOError:
        raise FcAssetsError(f"{_holder(folder)} works in {folder} now: wait for its end, or end that run") from None
    try:
        write_json(folder / _HOLDER, Holder(pid=os.getpid(), host=platform.node(), run=run).model_dump())
        yield
    finally:
        os.close(handle)


def _lock(folder: Path) -> int:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # a sweep took it away since
            return lock(folder, wait=False)


def _holder(folder: Path) -> str:
    try:
        holder = Holder.model_validate_json((folder / _HOLDER).read_bytes())
    except (OSError, ValidationError):  # it has just begun
        return "Another process"
    return f"Process {holder.pid} on {holder.host} ({f'run {holder.run}' if holder.run else 'started by hand'})"


def note_published(folder: Path, asset: str, run: str) -> None:
    """Note that `run` has published `asset` from `folder`, which `sweep_recorded` may remove once that is recorded."""
    write_json(folder / _PUBLISHED, Publication(asset=asset, run=run).model_dump())


def sweep_recorded(home: Path, recorded: Callable[[Publication], bool]) -> list[Path]:
    """Remove the resume folders of `home` whose publication is `recorded` and that nobody holds; return them."""
    removed = []
    for note in sorted((home / "resume").rglob(_PUBLISHED)):
        # Half a note, or a folder that another step removes at this moment: the next sweep looks again.
        with contextlib.suppress(OSError, ValidationError), locked(note.parent, wait=False):
            if recorded(Publication.model_validate_json(note.read_bytes())):
                shutil.rmtree(note.parent, ignore_errors=True)
                removed.append(note.parent)
    return removed
