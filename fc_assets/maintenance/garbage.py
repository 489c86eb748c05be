"""What a home holds that nobody needs any more, and how to be rid of it.

Needed are the newest artefact of every asset, the releases that are to be kept, those that serve or served before, what
was made lately, and all that any of these was made from. Everything is read from the store's manifests; Dagster's
instance is not asked, so that a home can be cleared on a machine that has none.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import ArtifactStore, read_manifest
from fc_assets.foundation.filesystem.locks import locked
from fc_assets.names import MANIFEST, PROMOTED_POLICY


@dataclass(frozen=True)
class Stored:
    """An artefact's folder with what its manifest says; `bytes` counts its files and its runs' records on the disk."""

    asset: str
    digest: str
    created: datetime
    inputs: tuple[tuple[str, str], ...]
    path: Path
    records: Path
    bytes: int

    @property
    def name(self) -> tuple[str, str]:
        """What the inputs of others call it."""
        return self.asset, self.digest


def stored(store: ArtifactStore) -> list[Stored]:
    """Every artefact in the store. Raises `FcAssetsError` for a folder whose manifest cannot be read."""
    return [_read(store, manifest) for manifest in sorted((store.home / "artifacts").rglob(MANIFEST))]


def _read(store: ArtifactStore, manifest: Path) -> Stored:
    asset = manifest.parent.parent.relative_to(store.home / "artifacts").as_posix()
    said = read_manifest(manifest.parent, asset)
    try:
        digest = str(said["digest"])
        created, inputs = datetime.fromisoformat(said["created"]), tuple(dict(said["inputs"]).items())
    except (KeyError, TypeError, ValueError) as error:
        raise FcAssetsError(f"{manifest} is no artefact's manifest ({error!r}); remove its folder by hand") from None
    records = (store.home / "records" / asset / digest[:16]).absolute()
    return Stored(asset, digest, created, inputs, manifest.parent, records, _size(manifest.parent) + _size(records))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def needed(
    artifacts: Sequence[Stored], *, since: datetime, releases: int, serving: Collection[str]
) -> set[tuple[str, str]]:
    """The (asset, digest) of all that is needed; the rest is garbage.

    `since` is the moment from which on everything is kept, `releases` how many of the newest releases are, `serving`
    the digests of those that are kept beside them.
    """
    by_age = sorted(artifacts, key=lambda each: each.created, reverse=True)
    newest = {each.asset: each for each in reversed(by_age)}.values()
    released = [each for each in by_age if each.asset == PROMOTED_POLICY]
    roots = {
        *(each.name for each in newest),
        *(each.name for each in released[:releases]),
        *(each.name for each in released if each.digest in serving),
        *(each.name for each in artifacts if each.created >= since),
    }
    return _with_all_they_were_made_from(roots, artifacts)


def _with_all_they_were_made_from(
    roots: Iterable[tuple[str, str]], artifacts: Iterable[Stored]
) -> set[tuple[str, str]]:
    inputs = {each.name: each.inputs for each in artifacts}
    found: set[tuple[str, str]] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(inputs.get(name, ()))
    return found


def remove(store: ArtifactStore, garbage: Iterable[Stored]) -> int:
    """Remove the artefacts and the records of their runs; return how many bytes that freed.

    Each is first moved into the staging area in one step, so that nobody meets half of one. Raises `FcAssetsError`
    while a step is at work in this home: it may be about to publish the same bytes again.
    """
    freed = 0
    store.sweep()
    with locked(store.staging()):  # no step can begin meanwhile
        if left := sorted(folder.name for folder in store.staging().iterdir()):
            raise FcAssetsError(f"A step is at work in {store.home} ({left[0]}): wait for its end, then start again")
        for each in garbage:
            for folder in (each.path, each.records):
                if folder.exists():
                    doomed = store.staging() / "garbage"
                    folder.rename(doomed)
                    shutil.rmtree(doomed)
            freed += each.bytes
    return freed
