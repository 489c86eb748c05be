"""`extends:` in a profile's file: the settings of another profile, where this file names no other ones.

How files are found and checked is `loading`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fc_assets.errors import FcAssetsError

EXTENDS = "extends"
_OF_ONE_FILE = ("name", "description")
"""What is said of one profile and holds for no other."""

Read = Callable[[str, Path], tuple[object, Path]]
"""From the name of a profile, and the file that names it: what its file holds, and where that lies."""


def extended(values: object, file: Path, read: Read, passed: tuple[Path, ...] = ()) -> object:
    """`values` of `file`, completed by those of the profile that it extends, and of the one that that extends.

    Sections are merged field by field; a list takes the place of a list. Raises `FcAssetsError` for a circle, in which
    the files `passed` led here.
    """
    if not isinstance(values, dict) or EXTENDS not in values:
        return values
    if file.resolve() in passed:
        circle = " extends ".join(each.name for each in (*passed, file))
        raise FcAssetsError(f"Profile {circle}: a profile cannot extend itself; take one `{EXTENDS}` out")
    name = str(values[EXTENDS])
    found, where = read(name, file)
    below = extended(found, where, read, (*passed, file.resolve()))
    if not isinstance(below, dict):
        return below
    inherited = {key: value for key, value in below.items() if key not in _OF_ONE_FILE}
    own = {key: value for key, value in values.items() if key != EXTENDS}
    return {"description": f"As {name}, but for what {file.name} names.", **_merged(inherited, own)}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        merged[key] = _merged(below[key], value) if both else value
    return merged
