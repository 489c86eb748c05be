"""A value for a parameter, drawn from what its schema says: enum, format, limits, examples, name and description.

Values stand in a request as they stand in the call, so each has a text that people would write. A drawn value need not
satisfy every keyword (a pattern, for one): whoever draws asks the schema's validator. Phrasing is `phrasings`.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

from fc_assets.calls.tools.stubs import json_types
from fc_assets.calls.world.words import MONTHS, WORDS
from fc_assets.data.sources.own_tools.wording import words_of

_MAX_DEPTH = 6
_OPTIONAL_SHARE = 0.5
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_COUNTRIES = tuple("France Germany Japan Brazil Canada Kenya India Norway Peru Spain Egypt Italy Chile Greece".split())
_QUOTED = re.compile(r"['\"`]([^'\"`]{1,40})['\"`]")


class NoValueError(ValueError):
    """No value can be drawn for this schema: it is recursive, or of a kind that is not known."""


def draw_arguments(rng: random.Random, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for a call: the required ones, and some of the others. Raises `NoValueError`."""
    return _object(rng, parameters, parameters, 0)


def draw_value(rng: random.Random, name: str, schema: object, root: Mapping[str, Any], depth: int = 0) -> Any:
    """A value for the parameter `name`; `root` is the schema that references point into. Raises `NoValueError`."""
    if depth > _MAX_DEPTH:
        raise NoValueError(f"{name} is recursive")
    if not isinstance(schema, Mapping):
        return _text(rng, name, {})
    if "$ref" in schema:
        return draw_value(rng, name, _target(root, str(schema["$ref"])), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    for listed in ("enum", "examples"):
        choices = [each for each in schema.get(listed) or () if each is not None]
        if choices:
            return rng.choice(choices)
    for union in ("anyOf", "oneOf", "allOf"):
        branches = [each for each in schema.get(union) or () if isinstance(each, Mapping) and _is_not_null(each)]
        if branches:
            branch = rng.choice(branches) if union != "allOf" else {k: v for each in branches for k, v in each.items()}
            rest = {key: value for key, value in schema.items() if key != union}
            return draw_value(rng, name, {**rest, **branch}, root, depth + 1)
    return _typed(rng, name, schema, root, depth)


def _typed(rng: random.Random, name: str, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    types = sorted(json_types(schema) - {"null"})
    match rng.choice(types) if types else "object" if "properties" in schema else "string":
        case "boolean":
            return rng.random() < 0.5
        case "integer":
            return _number(rng, name, schema, whole=True)
        case "number":
            return _number(rng, name, schema, whole=False)
        case "array":
            return _array(rng, name, schema, root, depth)
        case "object":
            return _object(rng, schema, root, depth + 1)
        case _:
            return _text(rng, name, schema)


def _is_not_null(branch: Mapping[str, Any]) -> bool:
    return branch.get("type") != "null"


def _target(root: Mapping[str, Any], reference: str) -> object:
    found: object = root
    for step in reference.removeprefix("#").split("/")[1:]:
        found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    if not reference.startswith("#") or found is None:
        raise NoValueError(f"{reference} leads nowhere")
    return found


def _object(rng: random.Random, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    required = set(schema.get("required") or ())
    found = {}
    for name, part in (schema.get("properties") or {}).items():
        if name in required:
            found[name] = draw_value(rng, name, part, root, depth)
        elif rng.random() < _OPTIONAL_SHARE:
            try:
                found[name] = draw_value(rng, name, part, root, depth)
            except NoValueError:
                continue  # it may be left out
    return found


def _array(rng: random.Random, name: str, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> list[Any]:
    if isinstance(schema.get("prefixItems"), list):
        return [draw_value(rng, name, part, root, depth + 1) for part in schema["prefixItems"]]
    least = max(1, int(schema.get("minItems") or 0))
    count = rng.randint(least, max(least, min(3, int(schema.get("maxItems") or 3))))
    found: list[Any] = []
    for _ in range(4 * count):  # equal items would say nothing
        item = draw_value(rng, name, schema.get("items", {}), root, depth + 1)
        if item not in found:
            found.append(item)
        if len(found) == count:
            break
    return found


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("year", 1990, 2030),
    ("month", 1, 12),
    ("hour", 0, 23),
    ("minute minutes", 1, 59),
    ("percent percentage share", 1, 100),
    ("latitude lat", -80, 80),
    ("longitude lon lng", -170, 170),
    ("price amount total budget cost salary", 5, 5000),
    ("limit count number quantity size top page nights days guests people", 1, 30),
)


def _number(rng: random.Random, name: str, schema: Mapping[str, Any], *, whole: bool) -> float:
    low, high = _range(words_of(name), schema, 1.0 if whole else 0.01)
    step = schema.get("multipleOf")
    if isinstance(step, int | float) and step > 0:
        first, last = math.ceil(low / step), math.floor(high / step)
        return rng.randint(first, max(first, last)) * step
    if whole:
        return rng.randint(math.ceil(low), max(math.ceil(low), math.floor(high)))
    return round(rng.uniform(low, high), rng.choice((1, 2)))


def _range(words: list[str], schema: Mapping[str, Any], beyond: float) -> tuple[float, float]:
    """From what to what: the schema's limits, or `beyond` those that it excludes; else those that the name suggests."""
    low, high = next(((a, b) for hints, a, b in _RANGES if not set(hints.split()).isdisjoint(words)), (1.0, 500.0))
    limits = {key: value for key, value in schema.items() if isinstance(value, int | float)}
    least = [limits[key] + by for key, by in (("minimum", 0), ("exclusiveMinimum", beyond)) if key in limits]
    most = [limits[key] - by for key, by in (("maximum", 0), ("exclusiveMaximum", beyond)) if key in limits]
    if least and not most:
        return float(max(least)), max(high, max(least) + 100)
    if most and not least:
        return min(low, min(most) - 1), float(min(most))
    return (float(max(least)), float(min(most))) if least else (low, high)


def _date(rng: random.Random) -> str:
    return f"{rng.randint(2020, 2029)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def _time(rng: random.Random) -> str:
    return f"{rng.randint(0, 23):02}:{rng.choice((0, 15, 30, 45)):02}:00"


def _code(rng: random.Random) -> str:
    return f"{rng.choice(_LETTERS)}{rng.choice(_LETTERS)}-{rng.randint(1000, 9999)}"


def _any(*pools: str) -> Callable[[random.Random], str]:
    return lambda rng: rng.choice(WORDS[rng.choice(pools)])


_FORMATS: Mapping[str, Callable[[random.Random], str]] = {
    "date": _date,
    "time": lambda rng: f"{_time(rng)}Z",
    "date-time": lambda rng: f"{_date(rng)}T{_time(rng)}Z",
    "duration": lambda rng: f"PT{rng.randint(1, 12)}H",
    "email": lambda rng: f"{_any('name')(rng).lower()}@{_any('goods')(rng)}.example",
    "uri": lambda rng: f"https://{_any('goods')(rng)}.example/{_any('topic')(rng)}",
    "url": lambda rng: f"https://{_any('goods')(rng)}.example/{_any('topic')(rng)}",
    "hostname": lambda rng: f"{_any('goods')(rng)}.example",
    "ipv4": lambda rng: ".".join(str(rng.randint(1, 250)) for _ in range(4)),
    "uuid": lambda rng: "-".join(f"{rng.getrandbits(4 * n):0{n}x}" for n in (8, 4, 4, 4, 12)),
}
_HINTS: tuple[tuple[str, Callable[[random.Random], str]], ...] = (
    ("email mail", _FORMATS["email"]),
    ("url uri link website", _FORMATS["uri"]),
    ("city location place destination origin town region address", _any("city")),
    ("country nation", lambda rng: rng.choice(_COUNTRIES)),
    ("currency", _any("currency")),
    ("ticker symbol stock", _any("ticker")),
    ("language lang locale", _any("language")),
    ("id code sku number key reference", _code),
    ("date birthday deadline", _date),
    ("time", lambda rng: _time(rng)[:5]),
    ("day weekday", _any("day")),
    ("month", lambda rng: rng.choice(MONTHS)),
    ("colour color", _any("colour")),
    ("room", _any("room")),
    ("genre", _any("genre")),
    ("dish meal food cuisine", _any("dish")),
    ("file path filename folder directory", lambda rng: f"{_any('topic')(rng)}/{_any('goods')(rng)}.txt"),
    ("phone telephone mobile", lambda rng: f"+44 20 {rng.randint(1000, 9999)} {rng.randint(1000, 9999)}"),
    ("product item goods", _any("goods")),
    ("name user person recipient customer author guest employee assignee owner contact", _any("name")),
)


def _text(rng: random.Random, name: str, schema: Mapping[str, Any]) -> str:
    if draw := _FORMATS.get(str(schema.get("format"))):
        return draw(rng)
    described = str(schema.get("description") or "")
    named = _QUOTED.findall(described)
    if len(named) > 1:  # "one of 'open', 'closed'"
        return str(rng.choice(named))
    # The name says more than the description, which also speaks of other things.
    for words in (words_of(name)[::-1], words_of(described)):
        for word in words:
            for hints, draw in _HINTS:
                if word in hints.split():
                    return draw(rng)
    return f"{_any('topic', 'colour', 'language')(rng)} {_any('goods', 'room', 'topic')(rng)}"
