"""Conversations of several turns in the world of the embedded tools, from nothing but a seed.

An episode says what the user asks, which calls are right and what the tools then return, since the tools run. Training
reads episodes as rows of Hermes' form; the evaluation plays them against a model. An episode's side follows from a hash
of its first message, so that no seed can make one of training's and one of the evaluation's out of the same request.
What people say in them is in `episode_scripts`.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.call import Call, Tool
from fc_assets.calls.prompts import answer_text
from fc_assets.calls.world.implementations import IMPLEMENTATIONS
from fc_assets.calls.world.state import Result, Start, World
from fc_assets.calls.world.words import CITIES, NAMES
from fc_assets.data.rows.tools import ToolReader, join_tools
from fc_assets.data.sources.catalogue import TOOLS
from fc_assets.data.sources.episode_scripts import SCRIPTS, Script, Step
from fc_assets.data.sources.generator import as_text, draw_value, sentence, xlam_tool

_HELD_OUT_OF = 5  # one in so many first messages is the evaluation's
_MOST_OTHERS = 1  # tools offered beside those that are needed
_TOOLS = {tool.name: tool for tool in TOOLS}
_ENGLISH, _CHINESE = "English", "Chinese"


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a user says, and what the assistant owes: answers with calls, one after another, then one in words.

    `results` holds what each call returns. Without `answers` the assistant has to ask for what is missing. `required`
    are the texts that its words must hold.
    """

    asks: str
    answers: tuple[tuple[Call, ...], ...]
    results: tuple[tuple[Result, ...], ...]
    says: str
    required: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Episode:
    """A conversation to train on or to play. `kind` and `language` say what it is about; `tools` are those offered."""

    id: str
    kind: str
    language: str
    start: Start
    tools: tuple[Tool, ...]
    exchanges: tuple[Exchange, ...]


def generate_episodes(seed: int, chinese_share: float, *, held_out: bool) -> Iterator[Episode]:
    """Endless: the episodes of training or, `held_out`, of the evaluation; the same arguments give the same."""
    rng = random.Random(f"episodes:{seed}:{held_out}")
    number = 0
    while True:
        episode = _episode(rng, f"episode-{number}", chinese_share)
        if is_held_out(episode) == held_out:
            yield episode
            number += 1


def is_held_out(episode: Episode) -> bool:
    """Whether the episode is one of the evaluation's."""
    digest = hashlib.blake2b(episode.exchanges[0].asks.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % _HELD_OUT_OF == 0


def hermes_row(episode: Episode) -> dict[str, object]:
    """The episode as a row of Hermes' form: calls and results in the text, as the model writes and reads them."""
    said: list[dict[str, str]] = []
    for exchange in episode.exchanges:
        said.append({"from": "human", "value": exchange.asks})
        for calls, results in zip(exchange.answers, exchange.results, strict=True):
            said.append({"from": "gpt", "value": answer_text(calls)})
            said += [{"from": "tool", "value": result_text(result)} for result in results]
        said.append({"from": "gpt", "value": exchange.says})
    return {"id": episode.id, "conversations": said, "tools": json.dumps(episode.tools)}


def result_text(result: Mapping[str, Any]) -> str:
    """What a tool returns as the model reads it: one line of JSON."""
    return json.dumps(result, ensure_ascii=False)


def _episode(rng: random.Random, name: str, chinese_share: float) -> Episode:
    script = rng.choice(SCRIPTS)
    values = _values(rng, script)
    instead = rng.choice([place for place in (NAMES if script.refuses == "name" else CITIES) if place not in values])
    unavailable = {str(values[script.refuses]): instead} if script.refuses else {}
    start = Start(rng.randrange(2**16), unavailable)
    chinese = rng.random() < chinese_share
    needed = {step.tool for step in _steps(script)}
    return Episode(
        name,
        script.kind,
        _CHINESE if chinese else _ENGLISH,
        start,
        _offered(rng, needed),
        _exchanges(rng, script, values, World(start), chinese),
    )


def _values(rng: random.Random, script: Script) -> dict[str, object]:
    """A value for each slot of the script; slots of one pool differ, and none repeats a value that a step names."""
    values: dict[str, object] = {}
    named = [value for step in _steps(script) for value in step.arguments.values()]
    for slot, pool in script.slots.items():
        taken = named + [value for other, value in values.items() if script.slots[other] == pool]
        values[slot] = draw_value(rng, pool, taken)
    return values


def _steps(script: Script) -> list[Step]:
    return [step for turn in script.turns for answer in turn.answers for step in answer]


def _offered(rng: random.Random, needed: set[str]) -> tuple[Tool, ...]:
    others = sorted(_TOOLS.keys() - needed)
    names = [*sorted(needed), *rng.sample(others, rng.randint(0, _MOST_OTHERS))]
    rng.shuffle(names)
    offer = join_tools(ToolReader().read([xlam_tool(_TOOLS[name]) for name in names]))
    return tuple(json.loads(offer.json))


def _exchanges(
    rng: random.Random, script: Script, values: dict[str, object], world: World, chinese: bool
) -> tuple[Exchange, ...]:
    """The script with its values; what a call returns gives the slots of its step's `finds` their values."""
    found: list[Exchange] = []
    for turn in script.turns:
        asks = _filled(turn.chinese if chinese else turn.english, values)
        if not chinese and not found:
            asks = sentence(rng, [asks])
        answers, results = [], []
        for steps in turn.answers:
            calls = tuple(_call(step, values) for step in steps)
            returned = tuple(IMPLEMENTATIONS[call.name].run(world, call.arguments) for call in calls)
            for step, result in zip(steps, returned, strict=True):
                values |= {slot: _at(result, key) for slot, key in step.finds.items()}
            answers.append(calls)
            results.append(returned)
        says = _filled(turn.says_chinese if chinese else turn.says, values)
        required = tuple(as_text(values[slot]) for slot in turn.required)
        found.append(Exchange(asks, tuple(answers), tuple(results), says, required))
    return tuple(found)


def _call(step: Step, values: Mapping[str, object]) -> Call:
    given: dict[str, object] = {
        name: values[slot[1:]] if isinstance(slot, str) and slot.startswith("$") else slot
        for name, slot in step.arguments.items()
    }
    return Call(step.tool, given)


def _at(result: Result, key: str) -> object:
    value = result[key]
    return value[0] if isinstance(value, list) else value


def _filled(text: str, values: Mapping[str, object]) -> str:
    return text.format(**{slot: as_text(value) for slot, value in values.items()})


def first_episodes(count: int, seed: int, chinese_share: float) -> list[Episode]:
    """The first `count` episodes of the evaluation."""
    source = generate_episodes(seed, chinese_share, held_out=True)
    return [next(source) for _ in range(count)]
