"""What a training log says: the columns that the page shows, running means, and whether a series rose or fell.

Takes trl's log records and plain numbers. Drawing them is `plots`; the bars that they must clear are in `checks`.
"""

from __future__ import annotations

from collections.abc import Sequence

from fc_assets.training.jobs import LogRecord

SFT_COLUMNS = ("step", "epoch", "loss", "mean_token_accuracy", "entropy", "grad_norm", "learning_rate")
VALIDATION_COLUMNS = ("step", "epoch", "loss", "mean_token_accuracy", "parse_rate", "exact_match")
GRPO_COLUMNS = (
    "step",
    "reward",
    "reward_std",
    "loss",
    "entropy",
    "grad_norm",
    "learning_rate",
    "completions/mean_length",
    "completions/clipped_ratio",
    "frac_reward_zero_std",
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
    from scipy.stats import ttest_ind

    quarter = max(2, len(values) // 4)
    test = ttest_ind(values[-quarter:], values[:quarter], equal_var=False, alternative="less")
    return bool(test.pvalue < SIGNIFICANCE)
