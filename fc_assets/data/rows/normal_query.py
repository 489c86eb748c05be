"""When two queries are the same question: the one normal form in which duplicates, splits and checks compare them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

SHORTEST_LATER = 24
"""Bytes of UTF-8: 24 letters of English, 8 of Chinese. What is asked later and shorter is common speech ("yes, do it"),
which would tie conversations together that have nothing else in common."""
_WORD = re.compile(r"\w+")
_ASCII = bytes(range(128))
# For ASCII, by far the most common, a table does what case folding and `_WORD` do, three times as fast.
_ASCII_WORDS = bytes.maketrans(_ASCII, re.sub(rb"\W", b" ", _ASCII.lower()))


def normal_query(query: str) -> str:
    """Words and numbers in lower case, joined by one space; a query without any stays as it is."""
    if query.isascii():
        return b" ".join(query.encode().translate(_ASCII_WORDS).split()).decode() or query
    query = unicodedata.normalize("NFKC", query)
    return " ".join(_WORD.findall(query.casefold())) or query


def later_questions(asked: Iterable[str]) -> list[str]:
    """Of what the user asks after the first question of a conversation, what tells it from others, in normal form."""
    return [question for question in map(normal_query, asked) if len(question.encode()) >= SHORTEST_LATER]
