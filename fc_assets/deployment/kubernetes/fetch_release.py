"""Brings a release's checkpoint into a pod and proves it: runs as the init container, with the standard library only.

`fetch_release.py SOURCE DIGEST FOLDER`: SOURCE has the layout of `<home>/artifacts/promoted_policy`, as an http(s) URL
or a folder of a mounted volume. The manifest's list of files must have the digest that was asked for, and each file the
sha256 in that list; only then is FOLDER renamed into place. Exits with 1 and one sentence otherwise. It is part of the
chart and of no image, so it imports nothing of the package; the form of a manifest is `foundation.artifacts`'.
"""

import hashlib
import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from typing import IO

MANIFEST = "MANIFEST.json"
WANTED = "model"
AUTHORIZATION = "FC_RELEASES_AUTHORIZATION"
"""Holds the value of the header of that name, for a source that asks for one."""
ATTEMPTS = 3
TIMEOUT_S = 60
_CHUNK = 1 << 20


class ReleaseError(Exception):
    """The release cannot be had, or is not the one that was asked for."""


class _SameHostOnly(urllib.request.HTTPRedirectHandler):
    """Follows a redirect, but tells another host no secret."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and following.host != req.host:
            following.remove_header("Authorization")
        return following


_OPENER = urllib.request.build_opener(_SameHostOnly())


def fetch(source: str, digest: str, folder: Path) -> int:
    """Write `<folder>/model`, verified; return the number of its bytes. Raises `ReleaseError`."""
    if not (len(digest) == 64 and set(digest) <= set("0123456789abcdef")):
        raise ReleaseError(f"{digest!r} is no digest: give all 64 hex digits of the release")
    if (folder / WANTED).is_dir():  # only a verified one is ever renamed into place
        return sum(file.stat().st_size for file in (folder / WANTED).rglob("*") if file.is_file())
    base = f"{source.rstrip('/')}/{digest[:16]}"
    files = _listed_files(base, digest)
    staging = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    total = 0
    for name, entry in files.items():
        if PurePosixPath(name).parts[0] == WANTED:
            total += _copy(f"{base}/{name}", staging / name, str(entry["sha256"]))
    if not total:
        raise ReleaseError(f"The release {digest[:16]} at {source} has no folder {WANTED}")
    staging.rename(folder)
    return total


def _listed_files(base: str, digest: str) -> dict[str, dict[str, object]]:
    """The files that the manifest names: it is believed because its list has the digest that was asked for."""
    with _open(f"{base}/{MANIFEST}") as stream:
        text = stream.read()
    try:
        files = dict(json.loads(text)["files"])
        lines = "".join(f"{entry['sha256']}  {entry['bytes']}  {name}\n" for name, entry in sorted(files.items()))
    except (ValueError, KeyError, TypeError) as error:
        raise ReleaseError(f"{base}/{MANIFEST} is no manifest of a release ({error!r})") from error
    found = hashlib.sha256(lines.encode()).hexdigest()
    if found != digest:
        raise ReleaseError(f"{base} holds another release: expected digest {digest}, found {found}")
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise ReleaseError(f"{base}/{MANIFEST} names a file outside of the release: {name!r}")
    return files


def _copy(source: str, target: Path, sha256: str) -> int:
    target.parent.mkdir(parents=True, exist_ok=True)
    found, size = hashlib.sha256(), 0
    with _open(source) as stream, target.open("wb") as out:
        try:
            while chunk := stream.read(_CHUNK):
                out.write(chunk)
                found.update(chunk)
                size += len(chunk)
        except OSError as error:
            raise ReleaseError(f"{source} broke off after {size} bytes: {error}") from error
    if found.hexdigest() != sha256:
        raise ReleaseError(f"{source} is damaged: expected sha256 {sha256}, found {found.hexdigest()} in {size} bytes")
    return size


def _open(source: str) -> IO[bytes]:
    if not source.startswith(("http://", "https://")):
        try:
            return Path(source).open("rb")
        except OSError as error:
            raise ReleaseError(f"{source} cannot be read: {error.strerror}; copy the release to the volume") from error
    request = urllib.request.Request(source)
    if authorization := os.environ.get(AUTHORIZATION):
        request.add_header("Authorization", authorization)
    for attempt in range(ATTEMPTS):
        try:
            return _OPENER.open(request, timeout=TIMEOUT_S)  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            reason = f"{source} answered {error.code}"
            if error.code < 500:
                break
        except OSError as error:
            reason = f"{source} does not answer: {error}"
        if attempt + 1 < ATTEMPTS:
            time.sleep(2**attempt)
    raise ReleaseError(f"{reason}; upload the release there, or name its place in kubernetes.releases")


def main() -> int:
    """Fetch as the command line says; return the exit status."""
    source, digest, folder = sys.argv[1:]
    try:
        size = fetch(source, digest, Path(folder))
    except (ReleaseError, OSError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    print(f"Release {digest[:16]}: {size} bytes, verified.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
