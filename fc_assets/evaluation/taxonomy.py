"""Why a row failed: the categories of docs/metrics.md, found in one judged answer.

Counting and showing them belongs to `report`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fc_assets.calls.call import Call
from fc_assets.calls.grounding import is_grounded
from fc_assets.calls.judge import Judgement
from fc_assets.calls.match import canonical, equal, paired
from fc_assets.calls.tools.toolset import CompiledTool
from fc_assets.foundation.json_files import writable

CATEGORIES: tuple[str, ...] = (
    "cut",
    "malformed",
    "no call",
    "unknown tool",
    "wrong tool",
    "missing call",
    "extra call",
    "missing required",
    "extra argument",
    "wrong type",
    "hallucinated value",
    "wrong value",
)
"""In the order in which they decide a row's first failure: what is earlier makes what is later hard to tell."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing wrong with a row: its category, and a few words that say where."""

    category: str
    detail: str


def failures(judgement: Judgement, context: str, *, cut: bool = False) -> tuple[Failure, ...]:
    """Everything wrong with an answer, in the order of `CATEGORIES`; empty for an exact match.

    `context` is what the model was told, `cut` whether the answer ended at the limit of tokens. A wrong value is
    "hallucinated" when nothing there or in the schema states it.
    """
    if judgement.exact:
        return ()
    found = [*_blocks(judgement, cut), *_names(judgement)]
    if not judgement.parsed.malformed or judgement.parsed.calls:
        for emitted, expected in paired(judgement.parsed.calls, judgement.expected, judgement.tools):
            found.extend(_arguments(emitted, expected, judgement, context))
    written = [Failure(failure.category, writable(failure.detail)) for failure in found]
    return tuple(sorted(written, key=lambda failure: CATEGORIES.index(failure.category)))


def _blocks(judgement: Judgement, cut: bool) -> Iterator[Failure]:
    if cut:
        yield Failure("cut", f"ended at the limit of tokens after {len(judgement.parsed.calls)} whole calls")
    elif judgement.parsed.malformed:
        yield Failure("malformed", f"blocks that are no call: {judgement.parsed.malformed}")
    elif judgement.expected and not judgement.parsed.calls:
        yield Failure("no call", "answered in words")


def _names(judgement: Judgement) -> Iterator[Failure]:
    emitted = Counter(call.name for call in judgement.parsed.calls)
    expected = Counter(call.name for call in judgement.expected)
    missing = sorted((expected - emitted).elements())
    for name in sorted((emitted - expected).elements()):
        if name not in judgement.tools:
            yield Failure("unknown tool", name)
        elif missing and name not in expected:
            yield Failure("wrong tool", f"{name} for {missing[0]}")
        else:
            yield Failure("extra call", name)
            continue
        missing = missing[1:]
    if judgement.parsed.calls and not judgement.parsed.malformed:
        for name in missing:
            yield Failure("missing call", name)


def _arguments(emitted: Call, expected: Call, judgement: Judgement, context: str) -> Iterator[Failure]:
    tool = judgement.tools.first(emitted.name)
    given, wanted = canonical(emitted, judgement.tools), canonical(expected, judgement.tools)
    required = set(tool.parameters.get("required") or ()) if tool else set()
    for key, value in wanted.items():
        if key in emitted.arguments:
            continue
        category = "missing required" if key in required else "wrong value"
        yield Failure(category, f"{key} left out, expected {_shown(value)}")
    for key, value in emitted.arguments.items():
        stated = key in wanted and equal(value, wanted[key])
        if stated or (key not in given and key not in wanted):
            continue
        if key not in wanted and key not in expected.arguments and not _is_declared(tool, key):
            yield Failure("extra argument", f"{key} is not declared")
        elif tool and not tool.stub.accepts_type(key, value):
            yield Failure("wrong type", f"{key} is {_shown(value)}")
        elif key not in wanted and key not in expected.arguments:
            yield Failure("extra argument", f"{key} was not asked for")
        else:
            grounded = is_grounded(emitted.name, key, value, judgement.tools, context)
            wish = wanted.get(key, expected.arguments.get(key))
            category = "wrong value" if grounded else "hallucinated value"
            yield Failure(category, f"{key} is {_shown(value)}, expected {_shown(wish)}")


def _is_declared(tool: CompiledTool | None, key: str) -> bool:
    return tool is not None and key in tool.parameters["properties"]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
