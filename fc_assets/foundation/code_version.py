"""Which code made an asset: a hash of the modules that do its work, so that staleness sees which of them changed.

The modules named for an asset and everything of the rooms that they import count, read as text without importing them,
and so do the files in a folder `templates` beside one of them.
What every room stands on (`foundation`, `profiles`, `names`) does not: a change of plumbing or of a setting's
description makes nothing another thing, and a changed setting is seen by its value.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_ROOT = _PACKAGE.name
_PLUMBING = tuple(f"{_ROOT}.{name}" for name in ("foundation", "profiles", "names"))
_IMPORT = re.compile(
    rf"^\s*(?:from\s+({_ROOT}[\w.]*)\s+import\s+(\([^)]*\)|[^\n]+)|import\s+({_ROOT}[\w.]+))", re.MULTILINE
)
_DIGITS = 12


@cache
def code_version(*modules: str) -> str:
    """The first hex digits of a sha256 over the text of `modules` and of the modules of the rooms that they import.

    Raises ValueError for a name that is no module of this package.
    """
    seen: dict[str, Path] = {}
    frontier = list(modules)
    while frontier:
        name = frontier.pop()
        if name in seen or name.startswith(_PLUMBING):
            continue
        file = _file(name)
        if file is None:
            raise ValueError(f"{name} is no module of {_ROOT}")
        seen[name] = file
        frontier += _imported(file)
    templates = {folder: sorted((folder / "templates").glob("*")) for folder in {file.parent for file in seen.values()}}
    seen |= {file.relative_to(_PACKAGE).as_posix(): file for files in templates.values() for file in files}
    digest = hashlib.sha256()
    for name, file in sorted(seen.items()):
        digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:_DIGITS]


@cache
def _imported(file: Path) -> tuple[str, ...]:
    """The modules of this package that a file imports, anywhere in it."""
    found = []
    for source, names, plain in _IMPORT.findall(file.read_text(encoding="utf-8")):
        if plain:
            found.append(plain)
            continue
        parts = [part.split(" as ")[0].split("#")[0].strip() for part in names.strip("()").split(",")]
        modules = [f"{source}.{part}" for part in parts if part.isidentifier() and _file(f"{source}.{part}")]
        found += modules or [source]
    return tuple(found)


@cache
def _file(module: str) -> Path | None:
    path = _PACKAGE.joinpath(*module.split(".")[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None
