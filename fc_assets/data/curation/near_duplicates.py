"""Near-duplicate questions by MinHash over word triples, with datasketch's locality-sensitive hashing.

An estimate: of two questions whose Jaccard similarity lies at the threshold about half are found. What is done with a
near-duplicate is decided in `curate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from datasketch import MinHash, MinHashLSH

_PERMUTATIONS = 64  # 256 bytes for each question; the estimate's standard error is at most 0.06
_SEED = 1
_SHINGLE = 3


def fingerprints(questions: Sequence[str]) -> list[MinHash]:
    """The fingerprints of several normalised questions, in their order."""
    from datasketch import MinHash

    return list(MinHash.bulk([_shingles(q) for q in questions], num_perm=_PERMUTATIONS, seed=_SEED))


class NearDuplicateIndex:
    """Questions that were added so far, searchable by Jaccard similarity. The caller normalises questions."""

    def __init__(self, similarity: float) -> None:
        self.similarity = similarity
        self._hashes: dict[str, npt.NDArray[np.uint32]] = {}

    @cached_property
    def _index(self) -> MinHashLSH:
        from datasketch import MinHashLSH  # takes a moment, which is saved where nothing is searched for

        return MinHashLSH(threshold=min(self.similarity, 0.99), num_perm=_PERMUTATIONS)

    def add(self, question: str, fingerprint: MinHash) -> None:
        if question not in self._hashes:
            self._index.insert(question, fingerprint)
            self._hashes[question] = fingerprint.hashvalues.astype("uint32")

    def nearest(self, fingerprint: MinHash) -> str | None:
        """The most similar question that reaches the similarity; the alphabetically first of equals; None if none."""
        hashes = fingerprint.hashvalues.astype("uint32")
        best, most = None, self.similarity
        for question in sorted(self._index.query(fingerprint)):
            similarity = float((self._hashes[question] == hashes).mean())
            if similarity >= most and (best is None or similarity > most):
                best, most = question, similarity
        return best


def _shingles(question: str) -> list[bytes]:
    words = question.split()
    return [" ".join(words[i : i + _SHINGLE]).encode() for i in range(max(1, len(words) - _SHINGLE + 1))]
