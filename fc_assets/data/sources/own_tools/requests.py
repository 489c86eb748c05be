"""Questions about a user's own tools and the calls that answer them, from the tools' schemas and a seed alone.

A request is one sentence of `phrasings` with values of `values`. What a row is made of requests is `rows`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fc_assets.calls.call import Call
from fc_assets.calls.tools.stubs import json_types
from fc_assets.calls.tools.toolset import compile_tools
from fc_assets.data.rows.tools import ReadTool
from fc_assets.data.sources.own_tools.phrasings import Phrasing
from fc_assets.data.sources.own_tools.values import NoValueError, draw_arguments
from fc_assets.data.sources.own_tools.wording import label_of, tasks_of, text_of

_TRIES = 30


@dataclass(frozen=True)
class RequestedTool:
    """A tool that requests are made for."""

    read: ReadTool

    @property
    def name(self) -> str:
        """The tool's name."""
        return self.read.name

    @cached_property
    def tool(self) -> Mapping[str, Any]:
        """The tool in the project's form."""
        found: Mapping[str, Any] = json.loads(self.read.json)
        return found

    @cached_property
    def tasks(self) -> list[str]:
        """The ways to say what it does."""
        return tasks_of(self.tool)

    @cached_property
    def to_ask_for(self) -> list[str]:
        """The required parameters that an assistant can ask for in a few words."""
        parameters = self.tool["parameters"]
        simple = ({"string"}, {"integer"}, {"number"})
        return [
            name
            for name in parameters.get("required") or ()
            if json_types(parameters["properties"].get(name) or {}) in simple
        ]

    def draw_call(self, rng: random.Random) -> Call:
        """A call that the tool's schema takes. Raises `NoValueError` where none is found."""
        compiled = compile_tools(f"[{self.read.json}]")
        for _ in range(_TRIES):
            call = Call(self.name, draw_arguments(rng, self.tool["parameters"]))
            if compiled.validates(call) and compiled.executes(call):
                return call
        raise NoValueError(f"no arguments that the schema of {self.name} takes were found")


@dataclass(frozen=True, slots=True)
class OwnRequest:
    """One sentence and the call that it asks for."""

    text: str
    call: Call


def draw_request(rng: random.Random, target: RequestedTool, phrasing: Phrasing) -> OwnRequest:
    """A request with all that its call needs."""
    call = target.draw_call(rng)
    return OwnRequest(phrased(rng, target, phrasing, call.arguments), call)


def phrased(rng: random.Random, target: RequestedTool, phrasing: Phrasing, arguments: Mapping[str, Any]) -> str:
    """The sentence that asks for the tool with these arguments."""
    written = [
        phrasing.argument.format(label=label_of(name), value=text_of(value, chinese=phrasing.chinese))
        for name, value in arguments.items()
    ]
    rng.shuffle(written)
    template = phrasing.text if written else phrasing.alone
    text = template.format(task=rng.choice(target.tasks), arguments=phrasing.joint.join(written))
    return text[0].upper() + text[1:]


def joined(rng: random.Random, texts: Sequence[str], joints: Sequence[str]) -> str:
    """Several sentences as one message."""
    first, *others = texts
    for other in others:
        rest = other if other.startswith("I ") else f"{other[0].lower()}{other[1:]}"
        first = f"{first.rstrip('.!。')}{rng.choice(joints)}{rest}"
    return first
