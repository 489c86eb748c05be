"""JSON files of the project's own making: written in one form, read as what they must be.

What is in a file belongs to the room that writes it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fc_assets.errors import FcAssetsError


def write_json(file: Path, value: object) -> None:
    """Write `value` indented, with a newline at the end. What is not JSON is written as text."""
    file.write_text(json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises `FcAssetsError` when it is missing, not JSON, or no object."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FcAssetsError(f"{file} cannot be read as JSON ({error})") from error
    if not isinstance(value, dict):
        raise FcAssetsError(f"{file} holds a {type(value).__name__} where a JSON object is expected")
    return value


def finite(value: Any) -> Any:
    """`value` with NaN and infinities turned into None, in objects and lists too: they are not JSON.

    A plain tuple becomes a list, as in JSON; a named one (Dagster's metadata values are some) stays as it is.
    """
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
