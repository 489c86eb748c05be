"""Which questions repeat one of a benchmark's: word for word, with words exchanged, or inside a longer text.

Compared is how much of the benchmark's question a text contains, over character 4-grams of the normal forms: so words
that were put before or behind it change nothing, and scripts without spaces are compared like others. Near-duplicates
among the rows themselves are `near_duplicates`.

Measured on the questions of bfcl-eval 2026.3.23: of those long enough to be compared, 95 % are found with two words
exchanged and words of politeness added, and fewer than 1 % of questions made independently of it are taken for one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from scipy.sparse import csr_matrix

CONTAINED = 0.6
"""The least share of a benchmark question's 4-grams in a text that repeats it."""
SHORTEST = 24
"""4-grams; a shorter question is common speech ("I want to book a flight"), and only its exact repetition counts."""
_LENGTH = 4
_INDEXED = 0.5
"""Share of a question's 4-grams, the rarest, by which it is searched for: few texts share many of them by chance."""


class BenchmarkQuestions:
    """A benchmark's questions in normal form, to be found in texts in normal form."""

    def __init__(self, questions: Iterable[str]) -> None:
        self.questions = frozenset(questions)

    def repeated_in(self, texts: Sequence[str]) -> list[bool]:
        """For each text whether it repeats a question. Give some thousand at once."""
        repeats = [text in self.questions for text in texts]
        if not self._index:
            return repeats
        grams = [_grams(text) for text in texts]
        shared = (_rows(grams, self._index.columns) @ self._index.rare).tocsr()
        for place, text_grams in enumerate(grams):
            span = slice(shared.indptr[place], shared.indptr[place + 1])
            likely = shared.indices[span][shared.data[span] >= self._index.needed[shared.indices[span]]]
            repeats[place] = repeats[place] or any(
                len(self._index.questions[each] & text_grams) >= CONTAINED * len(self._index.questions[each])
                for each in likely
            )
        return repeats

    @cached_property
    def _index(self) -> _Index | None:
        found = [grams for grams in map(_grams, sorted(self.questions)) if len(grams) >= SHORTEST]
        return _index(found) if found else None


class _Index(NamedTuple):
    """The long questions as sets of grams, and their rare grams as a matrix (grams, questions).

    A text that contains a question has at least `needed` of that question's rare grams.
    """

    questions: list[frozenset[str]]
    columns: dict[str, int]
    rare: csr_matrix
    needed: npt.NDArray[np.float32]


def _index(questions: list[frozenset[str]]) -> _Index:
    import numpy as np

    times = Counter(chain.from_iterable(questions))
    rare: list[list[str]] = []
    needed: list[int] = []
    for grams in questions:
        may_lack = len(grams) - math.ceil(CONTAINED * len(grams))
        indexed = max(may_lack + 1, round(_INDEXED * len(grams)))
        rare.append(sorted(grams, key=lambda gram: (times[gram], gram))[:indexed])
        needed.append(indexed - may_lack)
    columns = {gram: column for column, gram in enumerate(sorted(set(chain.from_iterable(rare))))}
    return _Index(questions, columns, _rows(rare, columns).T.tocsr(), np.array(needed, dtype=np.float32))


def _rows(texts: Sequence[Collection[str]], columns: dict[str, int]) -> csr_matrix:
    """A row for each text and a column for each known gram: 1 where the text has it."""
    import numpy as np
    from scipy.sparse import csr_matrix

    found = [[columns[gram] for gram in grams if gram in columns] for grams in texts]
    ends = np.cumsum([0, *map(len, found)])
    places = np.fromiter(chain.from_iterable(found), dtype=np.int32, count=int(ends[-1]))
    ones = np.ones(len(places), dtype=np.float32)
    return csr_matrix((ones, places, ends), shape=(len(texts), len(columns)))


def _grams(text: str) -> frozenset[str]:
    padded = f" {text} "
    return frozenset(padded[start : start + _LENGTH] for start in range(len(padded) - _LENGTH + 1))
