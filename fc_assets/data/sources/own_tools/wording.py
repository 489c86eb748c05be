"""What tools, parameters and values are called when people speak of them, from their names and descriptions.

The sentences that these words stand in are `phrasings`.
"""

from __future__ import annotations

import re
from typing import Any

from fc_assets.calls.call import Tool

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[A-Za-z]+|\d+")
_MOST_CLAUSE_CHARS = 70
_VERBS = frozenset(
    "add analyse analyze apply archive ask assign book browse buy calculate call cancel change check close compare "
    "compute convert count create deactivate delete describe detect download estimate export extract fetch filter find "
    "generate get give insert invite list load log look lookup make merge monitor move notify open order pay place "
    "plan play post predict publish query read recommend record remove rename report reschedule reserve reset retrieve "
    "return run save schedule search send set share show sort start stop store submit subscribe suggest summarise "
    "summarize sync tell track transfer translate turn update upload validate verify view write".split()
)


def words_of(name: str) -> list[str]:
    """The words of an identifier or a text, in lower case: `userId` and `user_id` are user, id."""
    return [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", name))]


def label_of(parameter: str) -> str:
    """What a person calls a parameter."""
    return " ".join(words_of(parameter)) or parameter


def tasks_of(tool: Tool) -> list[str]:
    """The ways to say what a tool does, each as a clause that begins with a verb: its name and, if short, what its
    description begins with."""
    named = label_of(str(tool["name"]))
    clause = str(tool.get("description") or "").split("\n")[0].split(". ")[0].strip().rstrip(".")
    first, _, rest = clause.partition(" ")
    verb = _verb(first.lower())
    if not verb or not rest or len(clause) > _MOST_CLAUSE_CHARS:
        return [named]
    return list(dict.fromkeys((named, f"{verb} {rest}")))


def _verb(word: str) -> str:
    """The verb whose form a description begins with: "returns" is return; empty where it is none that is known."""
    return next((form for form in (word, word.removesuffix("s"), word.removesuffix("es")) if form in _VERBS), "")


def text_of(value: Any, *, chinese: bool = False) -> str:
    """A value as people write it in a request; what an object holds follows its labels."""
    if isinstance(value, bool):
        return ("是" if value else "否") if chinese else ("yes" if value else "no")
    if isinstance(value, list):
        return ", ".join(text_of(each, chinese=chinese) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{label_of(key)} {text_of(each, chinese=chinese)}" for key, each in value.items())
    return str(value)
