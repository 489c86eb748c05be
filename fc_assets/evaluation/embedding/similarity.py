"""Embedding similarity: how near the strings that a model gave are in meaning to those expected. Optional.

Exact match calls "NYC" for "New York City" as wrong as "Rome"; this tells the two apart. Each string argument of every
expected call is compared with the value that the paired emitted call (`match.paired`) gives to the same argument: the
cosine of their sentence embeddings (Reimers and Gurevych 2019, Sentence-BERT), 0 where it is negative, 1 where the two
are equal, and 0 where no string was given. The similarity is the mean over all expected strings, so that nothing is
gained by leaving an argument out. It is reported and gates nothing. The graph embeds in a process of its own,
`embedding_job`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fc_assets.calls.call import calls_from_json
from fc_assets.calls.judge import judge
from fc_assets.calls.match import canonical, equal, paired
from fc_assets.calls.metrics import METRIC_BY_NAME
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation import intervals
from fc_assets.evaluation.report.model import label
from fc_assets.evaluation.scoring import judged

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Embedding similarity"
TEXT = (
    "The mean, over all string arguments of the expected calls, of the cosine between the sentence embeddings of the "
    "expected value and of the one given to the same argument: 1 where they are equal, 0 where none was given. "
    "Intervals by the bootstrap over tool sets. Semantic consistency, which looks at the query instead, stands beside."
)

StringPair = tuple[str, str | None]
"""An expected string and the string given for it; None where there is none."""


def string_pairs(frame: pd.DataFrame) -> list[list[StringPair]]:
    """For each judged row of a table of `scoring.score_rows`, its expected strings and what was given for them."""
    answered = judged(frame)
    columns = (answered[name] for name in ("text", "tools", "expected"))
    return [_pairs(text, tools, expected) for text, tools, expected in zip(*columns, strict=True)]


def to_embed(pairs: Mapping[str, Sequence[Sequence[StringPair]]]) -> list[tuple[str, str]]:
    """The different pairs, over all variants, that only an embedding can judge; sorted."""
    every = {pair for rows in pairs.values() for row in rows for pair in row}
    return sorted((expected, given) for expected, given in every if given is not None and not equal(given, expected))


def similarity_table(
    frames: Mapping[str, pd.DataFrame],
    pairs: Mapping[str, Sequence[Sequence[StringPair]]],
    cosines: Sequence[float],
    samples: int = intervals.BOOTSTRAP_SAMPLES,
    seed: int = 42,
) -> list[dict[str, object]]:
    """One record for each variant of `frames`; `pairs` are its `string_pairs`, `cosines` those of `to_embed(pairs)`."""
    known = dict(zip(to_embed(pairs), cosines, strict=True))
    return [
        {"variant": label(variant), **_figures(judged(frame), pairs[variant], known, samples, seed)}
        for variant, frame in frames.items()
    ]


def embed(model: str, revision: str, pairs: Sequence[Sequence[str]]) -> list[float]:
    """The cosine of each pair of texts, on the CPU in the model's own precision, at least 0.

    Raises FcAssetsError where the library or the model is missing.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise FcAssetsError(
            "An embedding model is named but sentence-transformers is not installed: install fc-assets[embedding], or "
            "name no model (evaluation.embedding_model)"
        ) from error
    try:
        encoder = SentenceTransformer(model, revision=revision, device="cpu", model_kwargs={"use_safetensors": True})
    except (OSError, ValueError) as error:
        raise FcAssetsError(f"{model} is no sentence-embedding model that can be loaded: {error}") from error
    texts = sorted({text for pair in pairs for text in pair})
    vectors: Sequence[Any] = encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False) if texts else []
    vector = dict(zip(texts, vectors, strict=True))
    return [min(1.0, max(0.0, float(vector[one] @ vector[other]))) for one, other in pairs]


def _pairs(text: str, tools: str, expected: str) -> list[StringPair]:
    judgement = judge(text, tools, calls_from_json(expected))
    given = {
        id(wanted): emitted for emitted, wanted in paired(judgement.parsed.calls, judgement.expected, judgement.tools)
    }
    found: list[StringPair] = []
    for call in judgement.expected:
        arguments = given[id(call)].arguments if id(call) in given else {}
        for key, value in canonical(call, judgement.tools).items():
            if isinstance(value, str):
                other = arguments.get(key)
                found.append((value, other if isinstance(other, str) else None))
    return found


def _figures(
    frame: pd.DataFrame,
    pairs: Sequence[Sequence[StringPair]],
    known: Mapping[tuple[str, str], float],
    samples: int,
    seed: int,
) -> dict[str, object]:
    scores = [[_score(pair, known) for pair in row] for row in pairs]
    sums = np.array([(sum(row), len(row)) for row in scores], dtype=float).reshape(-1, 2)
    clusters = np.unique(frame["cluster"].to_numpy(dtype=str), return_inverse=True)[1]
    drawn = intervals.bootstrap_sums(intervals.sum_by_cluster(sums, clusters), samples, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        interval = intervals.percentile_interval(drawn[:, 0] / drawn[:, 1])
    similarity, strings = sums.sum(axis=0)
    grounding = METRIC_BY_NAME["semantic_consistency"]
    return {
        "embedding similarity": similarity / strings if strings else None,
        "95 %": f"[{interval.low:.3f}, {interval.high:.3f}]" if interval else None,
        "expected strings": int(strings),
        "equal": sum(given is not None and equal(given, wish) for row in pairs for wish, given in row),
        "not given": sum(given is None for row in pairs for _, given in row),
        "semantic consistency": grounding.value(
            {name: float(frame[name].sum()) for name in ("leaves_grounded", "leaves")}
        ),
    }


def _score(pair: StringPair, known: Mapping[tuple[str, str], float]) -> float:
    expected, given = pair
    if given is None:
        return 0.0
    return 1.0 if equal(given, expected) else known[expected, given]
