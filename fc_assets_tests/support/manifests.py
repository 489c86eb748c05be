"""Artefacts of another day: their manifests as version 0.1 wrote them, which had no seal yet."""

from pathlib import Path

from fc_assets.foundation.json_files import read_json, write_json
from fc_assets.names import MANIFEST


def set_created(folder: Path, created: str) -> None:
    """Let the artefact in `folder` have been published at `created`, a time in ISO 8601."""
    said = read_json(folder / MANIFEST)
    said.pop("seal", None)
    write_json(folder / MANIFEST, {**said, "created": created})
