"""Near-duplicate questions by MinHash over word triples, with datasketch's locality-sensitive hashing.

An estimate: of two questions whose Jaccard similarity lies at the threshold about half are found. What is done with a
near-duplicate is decided in `curate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from datasketch import MinHash

_PERMUTATIONS = 64  # 256 bytes for each question; the estimate's standard error is at most 0.06
_SEED = 1
_SHINGLE = 3


class NearDuplicateIndex:
    """Questions that were added so far, searchable by similarity. Questions are normalised by the caller."""

    def __init__(self, similarity: float) -> None:
        from datasketch import MinHashLSH

        self.similarity = similarity
        self._index = MinHashLSH(threshold=min(similarity, 0.99), num_perm=_PERMUTATIONS)
        self._kept: dict[str, npt.NDArray[np.uint32]] = {}

    def fingerprints(self, questions: Sequence[str]) -> list[MinHash]:
        """The fingerprints of several questions, none of which is added."""
        from datasketch import MinHash

        return list(MinHash.bulk([_shingles(q) for q in questions], num_perm=_PERMUTATIONS, seed=_SEED))

    def add(self, question: str, fingerprint: MinHash) -> None:
        if question not in self._kept:
            self._index.insert(question, fingerprint)
            self._kept[question] = fingerprint.hashvalues.astype("uint32")

    def add_all(self, questions: Sequence[str]) -> None:
        for question, fingerprint in zip(questions, self.fingerprints(questions), strict=True):
            self.add(question, fingerprint)

    def nearest(self, fingerprint: MinHash) -> str | None:
        """The most similar question that reaches the similarity; the alphabetically first of equals; None if none."""
        hashes = fingerprint.hashvalues.astype("uint32")
        best, most = None, self.similarity
        for question in sorted(self._index.query(fingerprint)):
            similarity = float((self._kept[question] == hashes).mean())
            if similarity >= most and (best is None or similarity > most):
                best, most = question, similarity
        return best


def _shingles(question: str) -> list[bytes]:
    words = question.split()
    return [" ".join(words[i : i + _SHINGLE]).encode() for i in range(max(1, len(words) - _SHINGLE + 1))]
