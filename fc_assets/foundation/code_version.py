"""Which code made an asset: a hash of the modules that do its work, so that staleness sees which of them changed.

The modules named for an asset and everything of the rooms that they import count, read as text without importing them;
so do the files in a `templates` folder beside one of these modules.
What every room stands on (`foundation`, `profiles`, `names`, `errors`) does not: a change of plumbing or of a setting's
description makes no artefact stale, and a changed setting is seen by its value.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_ROOT = _PACKAGE.name
_PLUMBING = frozenset({"foundation", "profiles", "names", "errors"})
_IMPORT = re.compile(
    rf"^\s*(?:from\s+({_ROOT}[\w.]*)\s+import\s+(\([^)]*\)|[^\n]+)|import\s+({_ROOT}[\w.]+))", re.MULTILINE
)
_COMMENT = re.compile(r"#.*")
_DIGITS = 12


@cache
def code_version(*modules: str) -> str:
    """The first hex digits of a sha256 over `modules`, the modules of the rooms that they import, and their templates.

    Raises ValueError for a name that is no module of this package.
    """
    seen: dict[str, Path] = {}
    frontier = list(modules)
    while frontier:
        name = frontier.pop()
        if name in seen or _is_plumbing(name):
            continue
        file = _file(name)
        if file is None:
            raise ValueError(f"{name} is no module of {_ROOT}")
        seen[name] = file
        frontier += _imported(file)
    templates = {file for module in seen.values() for file in (module.parent / "templates").glob("*") if file.is_file()}
    digest = hashlib.sha256()
    for name, file in [*sorted(seen.items()), *((file.name, file) for file in sorted(templates))]:
        digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:_DIGITS]


def _is_plumbing(module: str) -> bool:
    root, _, inside = module.partition(".")
    return root == _ROOT and inside.partition(".")[0] in _PLUMBING


@cache
def _imported(file: Path) -> tuple[str, ...]:
    """The modules of this package that a file imports, anywhere in it."""
    found = []
    for source, names, plain in _IMPORT.findall(_COMMENT.sub("", file.read_text(encoding="utf-8"))):
        if plain:
            found.append(plain)
            continue
        parts = [part.split(" as ")[0].strip() for part in names.strip("()").split(",")]
        modules = [f"{source}.{part}" for part in parts if part.isidentifier() and _file(f"{source}.{part}")]
        found += modules or [source]
    return tuple(found)


def _file(module: str) -> Path | None:
    return _modules().get(module)


@cache
def _modules() -> dict[str, Path]:
    """Every module of this package by its name; a package's own file counts as its module."""
    found = {}
    for file in _PACKAGE.rglob("*.py"):
        parts = file.relative_to(_PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found
