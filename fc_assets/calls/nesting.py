"""How deep data may nest before it is refused: a bound that keeps recursive readers off hostile data.

`parse` asks for a model's text, `data.rows.normalise` for the rows of a source. What becomes of data that nests too
deeply is decided there.
"""

from __future__ import annotations

MAX_DEPTH = 32
"""Lists and objects within one another, the outermost counted."""


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
