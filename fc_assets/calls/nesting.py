"""How deep data may nest, and to what a schema may unfold, before it is refused: bounds against hostile data.

`parse` asks for a model's text, `data.rows` for the rows of a source and their tools. What becomes of data that nests
too deeply is decided there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_DEPTH = 32
"""Lists and objects within one another, the outermost counted."""
MAX_UNFOLDED = 10_000
"""Lists and objects of a schema with every reference replaced by what it points to."""
_MAX_UNFOLDED_DEPTH = 200
"""Levels of an unfolded schema; Python's own limit of calls within calls is 1,000."""


def nested_too_deeply(value: object, limit: int = MAX_DEPTH) -> bool:
    """Whether lists and objects, empty ones included, lie more than `limit` deep. Does not recurse."""
    level = [value]
    for _ in range(limit):
        level = [
            item
            for parent in level
            if isinstance(parent, dict | list)
            for item in (parent.values() if isinstance(parent, dict) else parent)
        ]
        if not level:
            return False
    return any(isinstance(item, dict | list) for item in level)


def unfolds_too_far(schema: Mapping[str, Any], limit: int = MAX_UNFOLDED) -> bool:
    """Whether the schema has more than `limit` lists and objects once each `$ref` into it stands for its target.

    Forty definitions that each name the next one twice are 3.5 KB, and 2^40 parts to a validator. A reference back to a
    schema that it stands in is what recursive types are made of: such a one is not unfolded again. A schema that
    nests more than some hundred levels deep when it is unfolded has too many as well.
    """
    return _unfolded(schema, _Unfolding(schema, limit), (), 0) > limit


@dataclass(frozen=True)
class _Unfolding:
    """What one schema's unfolding shares; `sizes` keeps that of each reference's target."""

    root: Mapping[str, Any]
    limit: int
    sizes: dict[str, int] = field(default_factory=dict)


def _unfolded(part: object, of: _Unfolding, above: tuple[str, ...], depth: int) -> int:
    """The size of `part` unfolded, or something above the limit; `above` are the references it stands in."""
    if not isinstance(part, dict | list):
        return 0
    if depth > _MAX_UNFOLDED_DEPTH:
        return of.limit + 1
    size = 1
    reference = part.get("$ref") if isinstance(part, dict) else None
    if isinstance(reference, str) and reference not in above:
        if reference not in of.sizes:
            target = _target(of.root, reference)
            of.sizes[reference] = _unfolded(target, of, (*above, reference), depth + 1)
        size += of.sizes[reference]
    for item in part.values() if isinstance(part, dict) else part:
        size += _unfolded(item, of, above, depth + 1)
        if size > of.limit:
            return of.limit + 1
    return size


def _target(root: Mapping[str, Any], reference: str) -> object:
    """What a JSON pointer into `root` points to; None for one that leads nowhere or out of it."""
    if not reference.startswith("#"):
        return None
    found: object = root
    for step in reference[1:].split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(key)
        elif isinstance(found, list) and key.isascii() and key.isdigit() and int(key[:9]) < len(found):
            found = found[int(key[:9])]
        else:
            return None
    return found
