"""What the world is: where it starts, what calls have changed in it, and how two of them are compared.

The same start and the same calls give the same world on every machine. What each tool does is in `facts` and `actions`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

Result = dict[str, Any]
"""What a tool returns: an object, as JSON data."""

_Item = TypeVar("_Item")


class ToolRefusal(Exception):
    """The tool did nothing; `result` says why, as the tool's caller reads it."""

    def __init__(self, error: str, **details: str) -> None:
        super().__init__(error)
        self.result: Result = {"error": error, **details}


@dataclass(frozen=True, slots=True)
class Start:
    """Where a world begins. `seed` decides its facts; `unavailable` maps places and people that cannot be had to the
    one that can be had instead."""

    seed: int = 0
    unavailable: Mapping[str, str] = field(default_factory=dict)


class World:
    """One world, changed by calls. `things` holds what there is one of for each name (the light of a room), `records`
    what was added one after another (messages)."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.things: dict[str, dict[str, Result]] = {}
        self.records: dict[str, list[Result]] = {}

    def number(self, low: int, high: int, *about: object) -> int:
        """A fact: a whole number from `low` to `high` that depends on the start and on what it is `about` alone."""
        digest = hashlib.blake2b(repr((self.start.seed, *about)).encode(), digest_size=8).digest()
        return low + int.from_bytes(digest, "big") % (high - low + 1)

    def pick(self, choices: tuple[_Item, ...], *about: object) -> _Item:
        """A fact: one of the choices."""
        return choices[self.number(0, len(choices) - 1, *about)]

    def expect_available(self, name: str) -> None:
        """Raises ToolRefusal where `name` cannot be had, naming the one that can."""
        instead = self.start.unavailable.get(name)
        if instead is not None:
            raise ToolRefusal("not available", available=instead)

    def put(self, kind: str, name: str, **values: Any) -> Result:
        """Set a thing's values, whatever they were; returns them with its name."""
        self.things.setdefault(kind, {})[name] = values
        return {kind: name, **values}

    def add(self, kind: str, **values: Any) -> Result:
        """Add a record; returns it."""
        self.records.setdefault(kind, []).append(values)
        return dict(values)

    def snapshot(self) -> str:
        """All that calls have changed, as text that is equal for equal worlds.

        Records count whatever their order: that two messages went out, not which went first.
        """
        records = {kind: sorted(map(_canonical, found)) for kind, found in self.records.items()}
        return _canonical({"things": self.things, "records": records})


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=True)
