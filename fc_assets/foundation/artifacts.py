"""Where artefacts live: content-addressed folders, published atomically, verified before use.

An artefact is a folder `<home>/artifacts/<asset>/<first 16 hex digits of its digest>` that never changes again.
Its files are written into `<home>/staging/`, flushed to disk, and renamed into place in one step, so nobody ever
sees a half-written one. Beside the files lies `MANIFEST.json`: every file's sha256 and size, what the artefact was
made from, the code version, the profile and the settings. How a run went (times, memory, the machine) is no part of
an artefact: it lies in `<home>/records/<asset>/<digest>/<run>/` and is in no digest.

What an artefact *means* does not belong here, nor does Dagster: `fc_assets.foundation.resources` connects the two.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.filesystem.locks import HELD_OR_GONE, lock, locked
from fc_assets.foundation.filesystem.refusals import said_in_words
from fc_assets.foundation.json_files import read_json, write_json
from fc_assets.names import MANIFEST

HOME_VARIABLE = "FC_ASSETS_HOME"
_CHUNK = 1 << 20
_SEAL = "seal"
"""The manifest's field that holds the sha256 of all its other fields, as JSON with sorted keys and no white space."""


class ArtifactChangedError(FcAssetsError):
    """The bytes on disk are not the bytes that were recorded."""


def default_home(profile: str) -> Path:
    """The artefact home: `$FC_ASSETS_HOME`, else `.fc_assets/<profile>` in the working directory.

    A home for each profile: what the demo made must never stand in for what a card made. Raises `FcAssetsError` when
    something else than a folder lies there.
    """
    home = Path(os.environ.get(HOME_VARIABLE) or Path(".fc_assets", profile)).absolute()
    if home.exists() and not home.is_dir():
        raise FcAssetsError(
            f"The artefact home {home} is a file: move it away, or set {HOME_VARIABLE} to the path of a folder"
        )
    return home


@dataclass(frozen=True)
class FileEntry:
    """One file of an artefact: its sha256 in hex and its size in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Artifact:
    """A published artefact. `inputs` maps each upstream asset's name to the digest that was used.

    `settings` are the profile's sections that made it, and those of its origin (`data`, `base_model`), by name.
    """

    asset: str
    path: Path
    digest: str
    files: Mapping[str, FileEntry]
    inputs: Mapping[str, str] = field(default_factory=dict)
    code_version: str = ""
    profile: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""

    @property
    def bytes(self) -> int:
        """Total size of the files."""
        return sum(entry.bytes for entry in self.files.values())

    def verify(self) -> Artifact:
        """Read every byte again and return self; raise `ArtifactChangedError` naming what differs."""
        _expect(self.asset, self.path, self.digest, scan_folder(self.path))
        return self

    def read_json(self, name: str) -> dict[str, Any]:
        """The object in one JSON file of this artefact. Raises `FcAssetsError` when there is none."""
        return read_json(self.path / name)


def file_sha256(path: Path) -> str:
    """The sha256 of one file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def scan_folder(folder: Path) -> dict[str, FileEntry]:
    """Every file below `folder` but its manifest, by its relative path. Raises `FcAssetsError` for a symbolic link."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise FcAssetsError(f"{path} is a symbolic link; an artefact holds plain files only, so copy its target")
        if path.is_file() and name != MANIFEST:
            files[name] = FileEntry(file_sha256(path), path.stat().st_size)
    return files


def content_digest(files: Mapping[str, FileEntry]) -> str:
    """The digest of a folder: sha256 over its sorted lines `sha256  size  relative path`."""
    lines = "".join(f"{entry.sha256}  {entry.bytes}  {name}\n" for name, entry in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _expect(asset: str, folder: Path, digest: str, files: Mapping[str, FileEntry]) -> None:
    actual = content_digest(files)
    if actual != digest:
        raise ArtifactChangedError(
            f"{asset} at {folder} has changed since it was recorded: expected digest {digest}, found {actual}; "
            f"delete that folder and materialise {asset} again"
        )


@dataclass(frozen=True)
class ArtifactStore:
    """All artefacts below one home folder. Safe to use from several processes at once."""

    home: Path

    def staging(self) -> Path:
        """The folder in which unfinished artefacts are written."""
        folder = self.home / "staging"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def folder(self, asset: str, digest: str) -> Path:
        """Where an artefact of that digest lies, or would lie."""
        return self.home / "artifacts" / asset / digest[:16]

    def resume_folder(self, asset: str, identity: Mapping[str, object]) -> Path:
        """A folder that outlives a killed step, from which its next attempt continues.

        `identity` is all that the work depends on: an attempt with the same one finds the same folder, and what
        attempts with another one left behind is removed, unless a process that still runs holds it (`resume_folders`).
        """
        key = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()[:16]
        parent = self.home / "resume" / asset
        if parent.is_dir():
            for other in parent.iterdir():
                if other.name != key:
                    with contextlib.suppress(*HELD_OR_GONE), locked(other, wait=False):
                        shutil.rmtree(other, ignore_errors=True)
        folder = parent / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def record_folder(self, asset: str, digest: str, run: str) -> Path:
        """Where a run's own records of an artefact lie: times, memory, logs. They are in no digest."""
        return self.home / "records" / asset / digest[:16] / run

    def disk_use(self, asset: str) -> int:
        """Bytes of all artefacts of an asset that are kept, and of their runs' records."""
        folders = (self.home / "artifacts" / asset, self.home / "records" / asset)
        return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())

    @contextlib.contextmanager
    def workspace(self, asset: str) -> Iterator[Path]:
        """A temporary folder for one step; gone afterwards, however the step ends.

        Write what is to be published into a folder inside it; the rest is scratch. The folder is locked while its
        process lives: `sweep` removes those that a killed process left behind.
        """
        with said_in_words(self.home, f"writing {asset}"):
            self.sweep()
            folder, handle = self._new_workspace(asset)
            try:
                yield folder
            except FileNotFoundError as error:
                if folder.exists():
                    raise
                raise FcAssetsError(
                    f"{folder} was removed while {asset} was written into it; nothing was published: let nobody clear "
                    f"{folder.parent} while a step is at work, and materialise {asset} again"
                ) from error
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(handle)

    def _new_workspace(self, asset: str) -> tuple[Path, int]:
        """A new folder in the staging area, and the handle that holds its lock."""
        while True:
            # Locked, so that no sweep sees the folder before it is. Who removes the whole area does not ask for locks.
            with contextlib.suppress(FileNotFoundError), locked(self.staging()):
                folder = Path(tempfile.mkdtemp(prefix=asset.replace("/", "-") + ".", dir=self.home / "staging"))
                return folder, lock(folder)

    def sweep(self) -> int:
        """Remove staging folders whose process is gone; return how many. Other users' folders are left alone."""
        removed = 0
        with contextlib.suppress(FileNotFoundError), locked(self.staging()):
            for folder in self.staging().iterdir():
                with contextlib.suppress(*HELD_OR_GONE), locked(folder, wait=False):
                    shutil.rmtree(folder, ignore_errors=True)
                    removed += not folder.exists()
        return removed

    def publish(
        self,
        asset: str,
        folder: Path,
        *,
        inputs: Mapping[str, str] | None = None,
        code_version: str = "",
        profile: str = "",
        settings: Mapping[str, Any] | None = None,
    ) -> Artifact:
        """Move the finished `folder` to its place and return the artefact.

        `folder` must lie on the same file system as the home (inside a `workspace`). Publishing the same bytes twice is
        not an error: the first copy of the files stays, and its manifest is replaced by this attempt's description.
        """
        files = scan_folder(folder)
        if not files:
            raise FcAssetsError(f"{asset} wrote no file into {folder}; there is nothing to publish")
        digest = content_digest(files)
        target = self.folder(asset, digest)
        artifact = Artifact(
            asset=asset,
            path=target,
            digest=digest,
            files=files,
            inputs=dict(inputs or {}),
            code_version=code_version,
            profile=profile,
            settings=dict(settings or {}),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if target.exists():
            try:
                _expect(asset, target, digest, scan_folder(target))
            except ArtifactChangedError:
                shutil.rmtree(target)  # a damaged copy: the one in hand has the right bytes
            else:
                # Made again, perhaps from other inputs or settings: the manifest describes the latest.
                write_json(folder / MANIFEST, _manifest(artifact))
                (folder / MANIFEST).replace(target / MANIFEST)
                return artifact
        write_json(folder / MANIFEST, _manifest(artifact))
        flush_folder(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(target)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            _expect(asset, target, digest, scan_folder(target))  # another process published the same bytes first
        flush_directory(target.parent)
        return artifact

    def newest(self, asset: str) -> Artifact | None:
        """The artefact of `asset` that was made last, verified as by `open`; None where there is none.

        For what runs without Dagster, whose instance says which materialisation is the latest.
        """
        found = (self.home / "artifacts" / asset).glob(f"*/{MANIFEST}")
        manifests = [read_manifest(file.parent, asset) for file in found]
        if not manifests:
            return None
        return self.open(asset, max(manifests, key=lambda each: str(each["created"]))["digest"])

    def open(self, asset: str, digest: str) -> Artifact:
        """The artefact of that digest, wherever the home lies now, verified byte by byte.

        Raises `FcAssetsError` when it is not there and `ArtifactChangedError` when its bytes differ.
        """
        folder = self.folder(asset, digest)
        if not folder.is_dir():
            raise FcAssetsError(
                f"{asset} with digest {digest} is not in the home {self.home}: set {HOME_VARIABLE} to the folder whose "
                f"artifacts/{asset} holds {folder.name}, or materialise {asset} again"
            )
        files = scan_folder(folder)
        _expect(asset, folder, digest, files)
        manifest = read_manifest(folder, asset)
        if manifest.get("files") != _listed(files):
            raise ArtifactChangedError(
                f"{folder / MANIFEST} lists other files than lie beside it: delete {folder} and materialise "
                f"{asset} again"
            )
        return Artifact(
            asset=asset,
            path=folder,
            digest=digest,
            files=files,
            inputs=manifest.get("inputs", {}),
            code_version=manifest.get("code_version", ""),
            profile=manifest.get("profile", ""),
            settings=manifest.get("settings", {}),
            created=manifest.get("created", ""),
        )


def read_manifest(folder: Path, asset: str) -> dict[str, Any]:
    """What the manifest of `asset` in `folder` says; the files themselves are not read.

    Raises `ArtifactChangedError` when it was edited after it was written, or is that of another folder. Its seal is a
    checksum and no signature: who may write into the home can write a new one.
    """
    manifest = read_json(folder / MANIFEST)
    seal = manifest.pop(_SEAL, None)
    ours = manifest.get("asset") == asset and str(manifest.get("digest")).startswith(folder.name)
    # Manifests of version 0.1 have no seal.
    if not ours or seal not in (None, _seal(manifest)):
        raise ArtifactChangedError(
            f"{folder / MANIFEST} is not as {asset} was published: it was edited, or belongs to another folder; bring "
            f"the file back, or delete that folder and materialise {asset} again"
        )
    return manifest


def _listed(files: Mapping[str, FileEntry]) -> dict[str, dict[str, object]]:
    return {name: {"sha256": entry.sha256, "bytes": entry.bytes} for name, entry in files.items()}


def _seal(manifest: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _manifest(artifact: Artifact) -> dict[str, object]:
    written = {
        "asset": artifact.asset,
        "digest": artifact.digest,
        "created": artifact.created,
        "code_version": artifact.code_version,
        "profile": artifact.profile,
        "settings": dict(artifact.settings),
        "inputs": dict(artifact.inputs),
        "files": _listed(artifact.files),
    }
    plain = json.loads(json.dumps(written, default=str))
    return {**plain, _SEAL: _seal(plain)}


def flush_folder(folder: Path) -> None:
    """Have everything below `folder` on the disk itself, so that it survives a loss of power."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
        elif path.is_dir():
            flush_directory(path)
    flush_directory(folder)


def flush_directory(folder: Path) -> None:
    """Have the names in a folder on the disk itself."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
