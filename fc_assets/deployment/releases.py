"""Which releases this machine keeps, read from the artefact store and verified; Dagster is not asked.

Bringing one into service is `deploy`.
"""

from __future__ import annotations

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.artifacts import Artifact, ArtifactStore, read_manifest
from fc_assets.names import MANIFEST, PROMOTED_POLICY


def latest_release(store: ArtifactStore) -> Artifact:
    """The release that was promoted last, verified byte by byte. Raises `FcAssetsError` when there is none."""
    release = store.newest(PROMOTED_POLICY)
    if release is None:
        raise FcAssetsError(f"There is no release below {store.home}: materialise {PROMOTED_POLICY} first")
    return release


def kept_release(store: ArtifactStore, digest: str) -> Artifact:
    """The release of that digest, or of its first 16 digits, verified. Raises `FcAssetsError` when it is not kept."""
    folder = store.folder(PROMOTED_POLICY, digest)
    if not (folder / MANIFEST).is_file():
        raise FcAssetsError(
            f"There is no release {digest} at {folder}; name the digest of a {PROMOTED_POLICY} that is kept"
        )
    return store.open(PROMOTED_POLICY, read_manifest(folder, PROMOTED_POLICY)["digest"])
