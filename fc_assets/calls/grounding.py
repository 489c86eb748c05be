"""Semantic consistency: is each emitted value grounded in something that the model was given?

Deterministic and cheap. A leaf value is grounded in the conversation, in its schema's enum or default, or in the
description of its argument or tool. Whether it is the *right* value is decided in `match`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fc_assets.calls import numerals
from fc_assets.calls.call import Call
from fc_assets.calls.match import equal
from fc_assets.calls.tools.stubs import json_types
from fc_assets.calls.tools.toolset import ToolSet
from fc_assets.calls.unspaced import split_words

TOKEN_SHARE = 0.5  # of a string's tokens that must occur in the text, see docs/metrics.md
MAX_LEAVES = 1000  # of one argument; what lies beyond is not looked at


@dataclass(frozen=True, slots=True)
class GroundingText:
    """A text that may state values: folded, its words, and every number it states, in digits, words or units.

    Where a script puts no space between words, their n-grams stand for them.
    """

    text: str
    words: frozenset[str]
    numbers: frozenset[float]

    def holds(self, value: Any) -> bool:
        """Whether the text states this leaf value."""
        if isinstance(value, bool) or value is None:
            return False
        return self._holds_string(value) if isinstance(value, str) else self._holds_number(value)

    def _holds_number(self, value: float) -> bool:
        """The value, its negative, or the value in another unit."""
        try:
            return round(abs(float(value)), 6) in self.numbers
        except OverflowError:
            return False

    def _holds_string(self, value: str) -> bool:
        """The whole string, or at least `TOKEN_SHARE` of its tokens."""
        folded = numerals.fold(value)
        if not folded:
            return False
        if folded in self.text:
            return True
        tokens = _tokens(folded)
        return bool(tokens) and sum(map(self._holds_token, tokens)) >= TOKEN_SHARE * len(tokens)

    def _holds_token(self, token: str) -> bool:
        if token[0].isdigit():
            return self._holds_number(numerals.number(token))
        return token in self.words or numerals.singular(token) in self.words


def _tokens(folded: str) -> list[str]:
    """The numbers, percent signs and words of a folded text; n-grams where there are no spaces between words."""
    tokens = numerals.tokens(folded)
    if folded.isascii():
        return tokens
    words, grams = split_words(folded)
    return [*(token for token in tokens if token[0].isdigit() or token == "%"), *words, *grams]


@lru_cache(maxsize=8192)
def grounding_text(text: str) -> GroundingText:
    """Prepare a text: a query or a description. Cached, since one query serves many values and completions."""
    folded = numerals.fold(text)
    words = {token for token in _tokens(folded) if not token[0].isdigit()}
    stated = frozenset(round(number, 6) for number in numerals.numbers(numerals.tokens(folded)))
    return GroundingText(folded, frozenset(words | set(map(numerals.singular, words))), stated)


def grounded_leaves(calls: Sequence[Call], tools: ToolSet, context: str) -> tuple[int, int]:
    """(grounded, all) leaf values of the emitted calls. Lists and objects count by their leaves, empty ones not."""
    verdicts = [
        grounded
        for call in calls
        for key, value in call.arguments.items()
        for grounded in _verdicts(call.name, key, value, tools, context)
    ]
    return sum(verdicts), len(verdicts)


def is_grounded(name: str, key: str, value: Any, tools: ToolSet, context: str) -> bool:
    """Whether every leaf of the value that the call to `name` gives to `key` is grounded."""
    return all(_verdicts(name, key, value, tools, context))


def _verdicts(name: str, key: str, value: Any, tools: ToolSet, context: str) -> Iterator[bool]:
    tool = tools.first(name)
    schema = tool.property_schema(key) if tool else {}
    for leaf, leaf_schema in _leaves(value, schema):
        if _declared(leaf, leaf_schema) or grounding_text(context).holds(leaf):
            yield True
        else:
            described = f"{schema.get('description', '')} {tool.description}" if tool else ""
            yield grounding_text(described).holds(leaf)


def _declared(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether the schema itself names the value. A boolean is an enum of two; null counts where its type is allowed."""
    types = json_types(schema)
    if isinstance(value, bool) and "boolean" in types:
        return True
    if value is None and "null" in types:
        return True
    choices = schema.get("enum")
    if isinstance(choices, list) and any(equal(value, choice) for choice in choices):
        return True
    return any(key in schema and equal(value, schema[key]) for key in ("const", "default"))


def _leaves(value: Any, schema: Mapping[str, Any]) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    waiting = [(value, schema)]
    seen = 0
    while waiting and seen < MAX_LEAVES:
        item, part = waiting.pop()
        seen += 1
        if isinstance(item, dict):
            properties = part.get("properties") or {}
            waiting.extend((child, _schema(properties.get(key))) for key, child in item.items())
        elif isinstance(item, list):
            waiting.extend((child, _schema(part.get("items"))) for child in item)
        else:
            yield item, part


def _schema(part: Any) -> Mapping[str, Any]:
    return part if isinstance(part, Mapping) else {}
