"""The numbers that a text states, in digits, in English words, and converted between common units. Deterministic.

Generous on purpose: a number found in excess costs little. Which values a text grounds is decided in `grounding`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_SMALL = {
    word: float(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
} | {
    word: float(number)
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split(), 1
    )
}
_SMALL |= {"once": 1.0, "twice": 2.0, "thrice": 3.0, "single": 1.0, "double": 2.0, "triple": 3.0, "pair": 2.0}
_TENS = {
    word: 10.0 * ten for ten, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_MULTIPLIERS = {"dozen": 12.0, "hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_FRACTIONS = {"half": 0.5, "quarter": 0.25}
_SUFFIXES = {"k": 1e3, "m": 1e6, "mn": 1e6, "b": 1e9, "bn": 1e9}
_MONTHS = {
    name[:length]: float(number)
    for number, name in enumerate(
        "january february march april may june july august september october november december".split(), 1
    )
    for length in (3, len(name))
}
_STARTS = frozenset((*_SMALL, *_TENS, *_MULTIPLIERS, *_FRACTIONS, *_MONTHS))
"""The words with which a number can begin; most words cannot, and are passed over at once."""
# What a quantity may be converted to: "2 hours" may be given as 120 (minutes) or 7200 (seconds).
_CONVERSIONS: dict[str, tuple[float, ...]] = {
    "percent": (0.01,), "%": (0.01,), "minute": (60,), "min": (60,), "hour": (60, 3600), "hr": (60, 3600),
    "h": (60, 3600), "day": (24, 1440, 86400), "week": (7, 168), "month": (30,), "year": (12, 52, 365),
    "decade": (10,), "century": (100,),
    "km": (1000,), "kilometer": (1000,), "kilometre": (1000,), "meter": (0.001, 100), "metre": (0.001, 100),
    "m": (0.001, 100), "cm": (0.01, 10), "mm": (0.001, 0.1), "kg": (1000,), "kilogram": (1000,), "g": (0.001,),
    "gram": (0.001,), "ton": (1000,), "tonne": (1000,), "liter": (1000,), "litre": (1000,), "ml": (0.001,),
    "cent": (0.01,), "dollar": (100,), "euro": (100,), "gb": (1000, 1024), "mb": (1000, 1024), "kb": (1000, 1024),
}  # fmt: skip

# Digits with thousands separators and decimals, words, or a percent sign. The branches begin with different characters
# and none can match empty, so the time is linear in the text.
_TOKEN = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?|[^\W\d_]+|%")


def fold(text: str) -> str:
    """The text as it is compared: compatibility-normalised, case-folded, stripped."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def tokens(folded: str) -> list[str]:
    """The words, numbers and percent signs of a folded text."""
    return _TOKEN.findall(folded)


def singular(word: str) -> str:
    """The word without a plural s."""
    return word[:-1] if len(word) > 3 and word.endswith("s") else word


def number(token: str) -> float:
    """The value of a token of digits; nan for digits that Python does not read."""
    try:
        return float(token.replace(",", ""))
    except ValueError:
        return float("nan")


def numbers(words: list[str]) -> Iterator[float]:
    """Every number that the tokens state: "1,200", "twenty one", "3 million", "2 hours" (2, 120, 7200), "May"."""
    position = 0
    while position < len(words):
        word = words[position]
        value, after = _read(words, position) if word in _STARTS or word[0].isdigit() else (None, position)
        if value is None:
            position += 1
            continue
        position = after
        yield value
        unit = words[position] if position < len(words) else ""
        for factor in _CONVERSIONS.get(unit) or _CONVERSIONS.get(singular(unit), ()):
            yield value * factor
        if unit in _SUFFIXES:
            yield value * _SUFFIXES[unit]


def _read(words: list[str], position: int) -> tuple[float | None, int]:
    """The number that starts at `position` and the position after it; (None, position) if none starts there."""
    word = words[position]
    for simple in (_MONTHS, _FRACTIONS):
        if word in simple:
            return simple[word], position + 1
    total = 0.0
    current: float | None = None
    room = float("inf")  # the next part must be smaller: "twenty" leaves room for "one", "five" for nothing
    while position < len(words):
        word = words[position]
        if word[0].isdigit() and current is None and not total:
            current, room = number(word), 0.0
        elif word in _TENS and room > _TENS[word]:
            current, room = (current or 0.0) + _TENS[word], 10.0
        elif word in _SMALL and room > _SMALL[word]:
            current, room = (current or 0.0) + _SMALL[word], 0.0
        elif word in _MULTIPLIERS and (current is not None or not total):
            scale = _MULTIPLIERS[word]
            current, room = (1.0 if current is None else current) * scale, scale
            if scale >= 1000:
                total, current = total + current, None
        elif not (word == "and" and room >= 100 and (current or total) and _goes_on(words, position + 1)):
            break
        position += 1
    if current is None and not total:
        return None, position
    return total + (current or 0.0), position


def _goes_on(words: list[str], position: int) -> bool:
    return position < len(words) and (words[position] in _SMALL or words[position] in _TENS)
