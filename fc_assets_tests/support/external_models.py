"""What an external server says that it serves, when its models are artefacts: a name with the digest for each."""

from collections.abc import Iterable
from pathlib import Path


def models_of(home: Path, names: Iterable[tuple[str, str]]) -> dict[str, list[dict[str, object]]]:
    """The answer to /v1/models: for each pair of a name and an asset, every artefact of that asset in `home`."""
    return {
        "data": [
            {"id": f"{name}-{folder.name}", "max_model_len": 1024}
            for name, asset in names
            for folder in sorted((home / "artifacts" / asset).iterdir())
        ]
    }
