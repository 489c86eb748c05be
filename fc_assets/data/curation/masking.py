"""Function masking: a training row in which names say nothing, so that a model must read the descriptions.

The idea is Hammer's (function masking, arXiv 2410.04587): function and parameter names become random ones, also where
the query spells them, and defaults that no call states become others. Only training rows are masked: see `splits`.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from fc_assets.data.rows.normalise import Example

FLAG_MASKED = "masked"
_LETTERS = 6
_IDENTIFIER = re.compile(r"[A-Za-z]\w*[_.][\w.]*\w|[a-z]+[A-Z]\w*")  # only what nobody writes in prose


def masker(share: float, seed: int) -> Callable[[Example], Example | None] | None:
    """A function that masks `share` of the rows it is given, chosen by seed and id; None for a share of 0."""
    if share <= 0:
        return None

    def masked(example: Example) -> Example | None:
        chance = random.Random(f"mask:{seed}:{example.id}")
        if chance.random() >= share or example.turns:
            return None
        return mask(example, chance)

    return masked


def mask(example: Example, chance: random.Random) -> Example:
    """A single-turn example with every function and top-level parameter renamed, in tools, calls and query alike."""
    tools, calls = orjson.loads(example.tools), orjson.loads(example.calls)
    stated = {(call["name"], name) for call in calls for name in call["arguments"]}
    functions = _new_names([tool["name"] for tool in tools], chance)
    parameters = _new_names([name for tool in tools for name in tool["parameters"].get("properties") or {}], chance)
    for tool in tools:
        schema = tool["parameters"]
        properties = schema.get("properties") or {}
        schema["properties"] = {
            parameters[name]: part if (tool["name"], name) in stated else _other_default(part, chance)
            for name, part in properties.items()
        }
        if "required" in schema:
            schema["required"] = [parameters.get(name, name) for name in schema["required"]]
        tool["name"] = functions[tool["name"]]
    for call in calls:
        call["arguments"] = {parameters.get(name, name): value for name, value in call["arguments"].items()}
        call["name"] = functions[call["name"]]
    spelled = {**parameters, **functions}
    return example._replace(
        query=_IDENTIFIER.sub(lambda found: spelled.get(found.group(), found.group()), example.query),
        tools=orjson.dumps(tools).decode(),
        calls=orjson.dumps(calls).decode(),
        flags=(*example.flags, FLAG_MASKED),
    )


def _new_names(names: list[str], chance: random.Random) -> dict[str, str]:
    made: dict[str, str] = {}
    for name in names:
        while name not in made:
            word = "".join(chance.choices(string.ascii_lowercase, k=_LETTERS))
            if word not in made.values() and word not in names:
                made[name] = word
    return made


def _other_default(part: Any, chance: random.Random) -> Any:
    """The parameter with another default of its type: only numbers and free text, whose range nothing else limits."""
    if not isinstance(part, Mapping) or "default" not in part or "enum" in part:
        return part
    match part.get("type"):
        case "integer":
            return {**part, "default": chance.randint(1, 99)}
        case "number":
            return {**part, "default": chance.randint(1, 999) / 10}
        case "string":
            return {**part, "default": "".join(chance.choices(string.ascii_lowercase, k=_LETTERS))}
    return part
