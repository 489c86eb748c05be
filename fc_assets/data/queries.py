"""When two queries are the same question: the one normal form that duplicates, splits and checks compare."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"\w+")


def normal_query(query: str) -> str:
    """Words and numbers in lower case, joined by one space; a query without any stays as it is."""
    if not query.isascii():
        query = unicodedata.normalize("NFKC", query)
    return " ".join(_WORD.findall(query.casefold())) or query
