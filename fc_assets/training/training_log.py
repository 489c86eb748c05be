"""What a training log says: the columns that the page shows, running means, and whether a series rose or fell.

Takes trl's log records and plain numbers. Drawing them is `plots`; the bars that they must clear are in `checks`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from fc_assets.training.jobs import LogRecord

CLIPPED = "completions/clipped_ratio"
"""Share of a step's completions that were cut at the limit of tokens."""
NO_SIGNAL = "frac_reward_zero_std"
"""Share of a step's groups whose completions all earn the same: nothing can be learnt from them."""
ENTROPY = "entropy"
KL = "kl"
POLICY_CLIP = "clip_ratio/region_mean"
"""Share of tokens whose probability has moved beyond what one update may use."""
PROBE_ROWS = "probe/rows"
PROBE_PARSE = "probe/parse_rate"
PROBE_EXACT = "probe/exact_match"
PROBE_COLUMNS = ("step", PROBE_ROWS, PROBE_PARSE, PROBE_EXACT)
"""Greedy answers to held-out turns, in records of their own."""
SFT_COLUMNS = ("step", "epoch", "loss", "mean_token_accuracy", "entropy", "grad_norm", "learning_rate")
VALIDATION_COLUMNS = ("step", "epoch", "loss", "mean_token_accuracy", "parse_rate", "exact_match")
GRPO_COLUMNS = (
    "step",
    "reward",
    "reward_std",
    "loss",
    ENTROPY,
    KL,
    POLICY_CLIP,
    "grad_norm",
    "learning_rate",
    "completions/mean_length",
    CLIPPED,
    NO_SIGNAL,
    "sampling/sampling_logp_difference/mean",
)
PREFERENCE_MARGIN = "rewards/margins"
"""By how much more than its reference DPO's policy prefers the better answers: beta times nats."""
PREFERENCE_ACCURACY = "rewards/accuracies"
"""The share of pairs in which it does."""
DPO_COLUMNS = (
    *("step", "epoch", "loss", PREFERENCE_MARGIN, PREFERENCE_ACCURACY, "rewards/chosen", "rewards/rejected"),
    *("entropy", "grad_norm", "learning_rate"),
)
"""What the page shows of trl's log; all of it is in the artefact's report."""

SIGNIFICANCE = 0.05
"""How often a series that only fluctuates may pass for a falling one."""


def reward_column(signal: str) -> str:
    """Where trl's log has the mean of one reward signal."""
    return f"rewards/{signal}/mean"


def columns(log: Sequence[LogRecord], names: Sequence[str]) -> list[dict[str, float]]:
    """The columns `names` of a log, as far as each record has them; `/mean` at the end of a name is dropped."""
    return [{name.removesuffix("/mean"): float(record[name]) for name in names if name in record} for record in log]


def series(log: Sequence[LogRecord], name: str) -> list[float]:
    """The values of one column, one for each record. Raises KeyError for a record without it."""
    return [float(record[name]) for record in log]


def mean_of(log: Sequence[LogRecord], name: str) -> float:
    """The mean of one column over all records."""
    values = series(log, name)
    return sum(values) / len(values)


def running_mean(values: Sequence[float], window: int) -> list[float]:
    """Mean over the last `window` values at each point; over fewer at the beginning."""
    spans = (values[max(0, end - window) : end] for end in range(1, len(values) + 1))
    return [sum(span) / len(span) for span in spans]


def quarter_means(values: Sequence[float]) -> tuple[float, float]:
    """Means of the first and of the last quarter of a series (at least one value each)."""
    quarter = max(1, len(values) // 4)
    return sum(values[:quarter]) / quarter, sum(values[-quarter:]) / quarter


def fell_beyond_chance(values: Sequence[float]) -> bool:
    """Whether the last quarter lies below the first by more than chance (Welch's t-test, one-sided, 5 %).

    Each step draws other prompts, so that means of a few steps differ for no other reason.
    """
    return _differs_beyond_chance(values, "less")


def rose_beyond_chance(values: Sequence[float]) -> bool:
    """Whether the last quarter lies above the first by more than chance; see `fell_beyond_chance`."""
    return _differs_beyond_chance(values, "greater")


def _differs_beyond_chance(values: Sequence[float], how: Literal["less", "greater"]) -> bool:
    from scipy.stats import ttest_ind

    quarter = max(2, len(values) // 4)
    test = ttest_ind(values[-quarter:], values[:quarter], equal_var=False, alternative=how)
    return bool(test.pvalue < SIGNIFICANCE)


def probe_change(probe: Sequence[LogRecord]) -> tuple[float, float] | None:
    """How exact match on held-out turns changed from the first record to the last, and one standard error of the
    first, sqrt(p (1 - p) / n) (of at least one turn, 1 / n). None where there are not two records."""
    if len(probe) < 2:
        return None
    before, after = (float(record[PROBE_EXACT]) for record in (probe[0], probe[-1]))
    rows = float(probe[0][PROBE_ROWS])
    return after - before, max(math.sqrt(before * (1 - before) / rows), 1 / rows)
