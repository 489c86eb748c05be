"""Tool-call rows from nothing but a seed, in the raw form of xLAM-60k, for the profile that downloads nothing.

Rows are made here; what they are made of is in `catalogue`. Reading, checking and converting them is the work of the
modules that read any xLAM export, which must not be able to tell these rows from others.
"""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from fc_assets.calls.world.words import MONTHS, WORDS
from fc_assets.data.sources.catalogue import OFF_TOPIC, TOOLS, CatalogueTool

_SLOT = re.compile(r"\{(\w+)\}")
_OPENINGS = ("", "", "please ", "can you ", "I want you to ", "hello, ", "now ")
_JOINTS = (", and ", ", then ", ". Also ", " and also ")
_OFFERED_WEIGHTS = {1: 35, 2: 40, 3: 25}
_PARALLEL_SHARE = 0.15
_SEVERAL_TOOLS_SHARE = 0.15


@dataclass(frozen=True)
class _Request:
    """One clause of a query and the call it asks for."""

    text: str
    tool: CatalogueTool
    arguments: dict[str, object]


def generate_rows(
    rows: int, seed: int, *, broken_rows: int = 0, irrelevance_share: float = 0.1
) -> Iterator[dict[str, object]]:
    """Yield `rows` good rows, then `broken_rows` malformed ones; the same arguments give the same rows, byte for byte.

    A row is `{"id": int, "query": str, "answers": JSON str, "tools": JSON str}`, ids counting from 0. One to three
    tools are offered. Of the rows that expect a call 70 % expect one, 15 % two of one tool, 15 % one each of two tools.
    `irrelevance_share` of the rows expect none (`answers` is `"[]"`). Few queries repeat: of 6,000 rows 99 % have a
    query of their own, of 60,000 95 %. Two seeds share some: 6 % of 3,000 rows are also among 60,000 of another seed.
    A longer run begins with the rows of a shorter one. Rows are made one at a time, so any number fits into memory.

    Raises ValueError for a negative count or a share outside [0, 1].
    """
    if rows < 0 or broken_rows < 0:
        raise ValueError(f"rows and broken_rows must not be negative, got {rows} and {broken_rows}")
    if not 0.0 <= irrelevance_share <= 1.0:
        raise ValueError(f"irrelevance_share must lie in [0, 1], got {irrelevance_share}")
    rng = random.Random(seed)
    for number in range(rows):
        yield _irrelevant_row(rng, number) if rng.random() < irrelevance_share else _call_row(rng, number)
    for number in range(rows, rows + broken_rows):
        yield _broken_row(rng, number, kind=(number - rows) % len(_BREAKAGES))


def _call_row(rng: random.Random, number: int) -> dict[str, object]:
    tool = rng.choice(TOOLS)
    draw = rng.random()
    if draw < _PARALLEL_SHARE:
        first = _request(rng, tool)
        requests = [first, _second_request(rng, first)]
    elif draw < _PARALLEL_SHARE + _SEVERAL_TOOLS_SHARE:
        requests = [_request(rng, tool), _request(rng, rng.choice([other for other in TOOLS if other != tool]))]
    else:
        requests = [_request(rng, tool)]
    wanted = list(dict.fromkeys(request.tool.name for request in requests))
    offered = [tool for tool in TOOLS if tool.name in wanted]
    others = [tool for tool in TOOLS if tool.name not in wanted]
    offered += rng.sample(others, max(0, _offered_count(rng) - len(offered)))
    rng.shuffle(offered)
    calls: list[dict[str, object]] = [
        {"name": request.tool.name, "arguments": request.arguments} for request in requests
    ]
    return _row(number, sentence(rng, [request.text for request in requests]), calls, offered)


def _irrelevant_row(rng: random.Random, number: int) -> dict[str, object]:
    if rng.random() < 0.5:
        text = _SLOT.sub(lambda slot: rng.choice(WORDS[slot.group(1)]), rng.choice(OFF_TOPIC))
        others = list(TOOLS)
    else:
        request = _request(rng, rng.choice(TOOLS))
        text = request.text
        # Only other domains: a neighbour of the tool asked for might be a defensible answer.
        others = [tool for tool in TOOLS if tool.domain != request.tool.domain]
    return _row(number, sentence(rng, [text]), [], rng.sample(others, _offered_count(rng)))


def _offered_count(rng: random.Random) -> int:
    return rng.choices(list(_OFFERED_WEIGHTS), list(_OFFERED_WEIGHTS.values()))[0]


def _request(rng: random.Random, tool: CatalogueTool) -> _Request:
    phrasing = rng.choice(tool.phrasings)
    drawn: dict[str, object] = {}
    for slot in _SLOT.findall(phrasing.text):
        pool = tool.parameters[slot].pool
        taken = [value for other, value in drawn.items() if tool.parameters[other].pool == pool]
        drawn[slot] = draw_value(rng, pool, taken)
    text = _SLOT.sub(lambda slot: as_text(drawn[slot.group(1)]), phrasing.text)
    stated = drawn | phrasing.stated
    return _Request(text, tool, {name: stated[name] for name in tool.parameters if name in stated})


def _second_request(rng: random.Random, first: _Request) -> _Request:
    """A second request of the same tool; asked for the very same thing twice, one call would be as right as two."""
    while True:
        second = _request(rng, first.tool)
        if second.arguments != first.arguments:
            return second


def draw_value(rng: random.Random, pool: str, taken: list[object]) -> object:
    """A value of `pool` that is not `taken` yet: two equal cities or currencies would make no sense."""
    while True:
        value = _draw(rng, pool)
        if value not in taken:
            return value


def _draw(rng: random.Random, pool: str) -> object:
    match pool:
        case "small":
            return rng.randint(2, 30)
        case "count":
            return rng.randint(2, 300)
        case "large":
            return rng.randint(100, 9999)
        case "percent":
            return rng.randint(1, 99)
        case "hour":
            return rng.randint(1, 23)
        case "year":
            return rng.randint(1901, 2025)
        case "money":
            return rng.randint(20, 9999) / 10 if rng.random() < 0.5 else rng.randint(2, 999) + 0.5
        case "rate":
            return rng.randint(11, 99) / 10
        case "degrees":
            return rng.randint(150, 259) / 10
        case "date":
            return f"{rng.choice(MONTHS)} {rng.randint(1, 28)}"
        case "names":
            return rng.sample(WORDS["name"], rng.randint(2, 3))
        case "integers":
            return [rng.randint(1, 99) for _ in range(rng.randint(3, 4))]
        case _:
            return rng.choice(WORDS[pool])


def as_text(value: object) -> str:
    """A value as people write it in a request."""
    return ", ".join(str(part) for part in value) if isinstance(value, list) else str(value)


def sentence(rng: random.Random, clauses: list[str]) -> str:
    """The clauses as one request, opened and ended in one of several ways."""
    text = rng.choice(_OPENINGS) + rng.choice(_JOINTS).join(clauses)
    return text[0].upper() + text[1:] + rng.choice((".", "", "!"))


def _row(number: int, query: str, calls: list[dict[str, object]], offered: list[CatalogueTool]) -> dict[str, object]:
    tools = [xlam_tool(tool) for tool in offered]
    return {
        "id": number,
        "query": query,
        "answers": json.dumps(calls, ensure_ascii=False),
        "tools": json.dumps(tools, ensure_ascii=False),
    }


def xlam_tool(tool: CatalogueTool) -> dict[str, object]:
    """The tool in xLAM's flat form."""
    parameters: dict[str, dict[str, object]] = {}
    for name, parameter in tool.parameters.items():
        parameters[name] = {"description": parameter.description, "type": parameter.type}
        if parameter.default is not None:
            parameters[name]["default"] = parameter.default
    return {"name": tool.name, "description": tool.description, "parameters": parameters}


# What real exports hold; each changes one field of a good row (None removes it).
_BREAKAGES: tuple[tuple[str, object], ...] = (
    ("answers", '[{"name": "get_weather", "arguments": {"city": "Par'),
    ("answers", "[{'name': 'get_weather', 'arguments': {'city': 'Paris'}}]"),
    ("answers", '[{"name": "delete_everything", "arguments": {}}]'),
    ("answers", '{"city": "Paris"}'),
    ("answers", '[{"name": "get_weather", "arguments": "Paris"}]'),
    ("tools", None),
    ("tools", ""),
    ("tools", "[]"),
    ("tools", '[{"name": "get_weather", "parameters": "city"}]'),
    ("query", ""),
    ("query", None),
)


def _broken_row(rng: random.Random, number: int, kind: int) -> dict[str, object]:
    row = _call_row(rng, number)
    field, value = _BREAKAGES[kind]
    if value is None:
        del row[field]
    else:
        row[field] = value
    return row
