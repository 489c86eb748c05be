"""Which two completions of a group become a pair that DPO learns from, and the file of pairs. Sampling is `sampling`.

The better one is the best by its reward, among equals the shortest: DPO drifts to long answers by itself. The worse one
is the worst, among equals the one nearest in length to the better, so that a pair differs in what was rewarded and not
in its length. Completions that were cut at the limit of tokens take no part, as in GRPO.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from fc_assets.calls.conversations import Turn
from fc_assets.errors import FcAssetsError
from fc_assets.names import DPO_POLICY
from fc_assets.profiles import DpoSettings
from fc_assets.training.grpo.reward_functions import judge_completion

_ROUNDING = 1e-9
_SPECIAL = re.compile(r"<\|[^<>|\s]+\|>")


@dataclass(frozen=True, slots=True)
class DrawnCompletion:
    """A sampled completion without its end token; `cut` where it reached the limit of tokens."""

    text: str
    cut: bool


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """Two answers to the turn `row`: `best` is preferred to `worst`. Rewards are weighted sums.

    `expected` says that `best` is the row's expected answer and was not sampled.
    """

    row: str
    query: str
    best: str
    worst: str
    best_reward: float
    worst_reward: float
    expected: bool


def choose_pair(
    turn: Turn, group: Sequence[DrawnCompletion], weights: Mapping[str, float], settings: DpoSettings
) -> PreferencePair | None:
    """The pair of a group that was sampled for `turn`; None where no two differ by `settings.min_margin` in reward."""
    # A special token is gone from a completion's text: one that reads like it was written in letters, and trl would
    # make the token of it.
    texts = sorted({each.text for each in group if not each.cut and not _SPECIAL.search(each.text)})
    if not texts:
        return None
    rewards = {text: judge_completion(turn, text).total(weights) for text in texts}
    best = max(texts, key=lambda text: (rewards[text], -len(text)))
    full_reward = sum(weights.values())
    expected = settings.expected_as_best and rewards[best] < full_reward - _ROUNDING
    best, best_reward = (turn.answer, full_reward) if expected else (best, rewards[best])
    worst = min(texts, key=lambda text: (rewards[text], abs(len(text) - len(best))))
    if best_reward - rewards[worst] < settings.min_margin - _ROUNDING:
        return None
    return PreferencePair(turn.id, turn.query, best, worst, best_reward, rewards[worst], expected)


def write_pairs(pairs: Sequence[PreferencePair], file: Path) -> None:
    """Write the pairs as Parquet, one column for each field."""
    import pyarrow as pa
    import pyarrow.parquet

    types = {"best_reward": pa.float64(), "worst_reward": pa.float64(), "expected": pa.bool_()}
    schema = pa.schema([(field.name, types.get(field.name, pa.string())) for field in fields(PreferencePair)])
    pa.parquet.write_table(pa.Table.from_pylist([asdict(pair) for pair in pairs], schema=schema), file)


def read_pairs(file: Path) -> list[PreferencePair]:
    """The pairs that `write_pairs` wrote. Raises `FcAssetsError` for another file."""
    import pyarrow as pa
    import pyarrow.parquet

    try:
        return [PreferencePair(**row) for row in pa.parquet.read_table(file).to_pylist()]
    except (pa.ArrowInvalid, OSError, TypeError) as error:
        raise FcAssetsError(f"{file} is no file of pairs ({error}); materialise {DPO_POLICY} again") from error
