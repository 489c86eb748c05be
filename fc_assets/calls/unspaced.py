"""Words of scripts that put no space between them, as overlapping n-grams of characters: Chinese, Japanese, Thai...

A segmenter would need a dictionary for each language; n-grams need none, and two texts that share a word share its
n-grams. Comparing them is the caller's.
"""

from __future__ import annotations

import re

IDEOGRAPHIC = (
    "\u3005-\u3007\u3041-\u309f\u30a1-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Han, Hiragana and Katakana, as ranges of a regular expression: a word is mostly of two characters."""
ALPHABETIC = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1780-\u17d3"
"""Thai, Lao, Burmese and Khmer, vowel signs included: a syllable alone is of some four."""
_PARTS = re.compile(f"([{IDEOGRAPHIC}]+)|([{ALPHABETIC}]+)|([^\\W\\d_{IDEOGRAPHIC}{ALPHABETIC}]+)")


def split_words(text: str) -> tuple[list[str], list[str]]:
    """The words of `text` that spaces or signs set apart, and the n-grams of its runs without spaces."""
    words: list[str] = []
    grams: list[str] = []
    for ideographic, alphabetic, word in _PARTS.findall(text):
        if word:
            words.append(word)
        else:
            grams += _grams(ideographic, 2) if ideographic else _grams(alphabetic, 4)
    return words, grams


def _grams(run: str, length: int) -> list[str]:
    """All n-grams of a run; a shorter run is one itself."""
    return [run[start : start + length] for start in range(max(1, len(run) - length + 1))]
