"""Which offered tools have an implementation, and calls of them run in a world. Arguments are untrusted.

A tool has one if its name and its whole signature are those of a function of `facts` or `actions`: another data set's
tool of the same name is another tool. Arguments are bounded here before a function sees them, so that none can crash or
hang it. Whether what came of a call is right is `calls.tools.execution`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from fc_assets.calls.world import actions, facts
from fc_assets.calls.world.state import Result, ToolRefusal, World
from fc_assets.foundation.json_files import is_writable

_MOST_CHARS = 200
_MOST_ITEMS = 64
_LARGEST = 10**9

_JSON_TYPES: Mapping[Any, str] = {
    **{str: "string", int: "integer", float: "number", bool: "boolean"},
    **{list[str]: "array", list[int]: "array"},
}


@dataclass(frozen=True, slots=True)
class Implementation:
    """A tool that runs. `types` are its parameters' Python types, `json_types` the same in JSON Schema's words,
    `defaults` those of the optional ones."""

    function: Callable[..., Result]
    types: Mapping[str, Any]
    json_types: Mapping[str, str]
    defaults: Mapping[str, Any]

    def run(self, world: World, arguments: Mapping[str, Any]) -> Result:
        """What the call returns; {"error": ...} where the tool refuses, and then nothing has changed. Never raises."""
        try:
            unknown = [name for name in arguments if name not in self.types]
            if unknown or any(name not in arguments and name not in self.defaults for name in self.types):
                raise ToolRefusal("an argument is missing or unknown")
            bounded = {name: _bounded(name, value, self.types[name]) for name, value in arguments.items()}
            return self.function(world, **bounded)
        except ToolRefusal as refusal:
            return refusal.result


def implementation_of(name: str, json_types: Mapping[str, str], defaults: Mapping[str, Any]) -> Implementation | None:
    """The implementation of a tool with this name, these parameters and defaults; None where there is none."""
    found = IMPLEMENTATIONS.get(name)
    if found is None or found.json_types != json_types:
        return None
    # An empty default is none: readers of xLAM's form leave it out.
    return found if defaults == {name: value for name, value in found.defaults.items() if value != ""} else None


def _implementation(function: Callable[..., Result]) -> Implementation:
    types = {name: kind for name, kind in get_type_hints(function).items() if name not in ("world", "return")}
    parameters = inspect.signature(function).parameters
    defaults = {
        name: parameters[name].default for name in types if parameters[name].default is not inspect.Parameter.empty
    }
    return Implementation(function, types, {name: _JSON_TYPES[kind] for name, kind in types.items()}, defaults)


def _bounded(name: str, value: Any, kind: Any) -> Any:
    """The value as the function takes it. Raises ToolRefusal for another type and for what is too large."""
    if kind is bool and isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str) and len(value) <= _MOST_CHARS and is_writable(value):
        return value
    if kind in (int, float) and isinstance(value, int | float) and not isinstance(value, bool):
        finite = isinstance(value, int) or math.isfinite(value)
        if finite and abs(value) <= _LARGEST and (kind is float or value == int(value)):
            return kind(value)
    if kind in (list[str], list[int]) and isinstance(value, list) and len(value) <= _MOST_ITEMS:
        (item,) = kind.__args__
        return [_bounded(name, each, item) for each in value]
    raise ToolRefusal(f"{name} cannot be used")


IMPLEMENTATIONS: Mapping[str, Implementation] = {
    function.__name__: _implementation(function)
    for module in (facts, actions)
    for _, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and not function.__name__.startswith("_")
}
"""Every tool that runs, by name."""
