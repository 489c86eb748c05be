"""Pictures of a training run: loss, and reward with its signals. Takes log records, gives PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]


def _smooth(values: Sequence[float], window: int) -> list[float]:
    """Mean over the last `window` values at each point."""
    return [
        sum(values[max(0, i + 1 - window) : i + 1]) / len(values[max(0, i + 1 - window) : i + 1])
        for i in range(len(values))
    ]


def _figure(panels: int) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * panels, 3.4), dpi=110, layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.set_xlabel("step")
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def loss_curve(log: Sequence[Record]) -> bytes:
    """Training loss and token accuracy over steps."""
    figure, (left, right) = _figure(2)
    steps = [record["step"] for record in log]
    left.plot(steps, [float(record["loss"]) for record in log], color="#4c6ef5", linewidth=1.8)
    left.set_ylabel("loss (answer tokens)")
    left.set_yscale("log")
    right.plot(steps, [float(record["mean_token_accuracy"]) for record in log], color="#2b8a3e", linewidth=1.8)
    right.set_ylabel("token accuracy")
    right.set_ylim(0, 1.02)
    return _png(figure)


def reward_curve(log: Sequence[Record], signals: Sequence[str]) -> bytes:
    """Mean sampled reward over steps (dots, and a running mean over ten), and the running mean of every signal."""
    figure, (left, right) = _figure(2)
    steps = [record["step"] for record in log]
    reward = [float(record["reward"]) for record in log]
    left.scatter(steps, reward, s=10, color="#adb5bd", label="step")
    left.plot(steps, _smooth(reward, 10), color="#e8590c", linewidth=2, label="mean of 10 steps")
    left.set_ylabel("sampled reward")
    left.legend(frameon=False, loc="lower right")
    for signal, colour in zip(signals, ("#4c6ef5", "#2b8a3e", "#ae3ec9", "#f08c00", "#868e96"), strict=False):
        values = [float(record[f"rewards/{signal}/mean"]) for record in log]
        right.plot(steps, _smooth(values, 10), linewidth=1.6, color=colour, label=signal)
    right.set_ylabel("signal, mean of 10 steps")
    right.set_ylim(0, 1.02)
    right.legend(frameon=False, loc="lower right", fontsize="small")
    return _png(figure)


def fell(values: Sequence[float]) -> bool:
    """Whether the last quarter lies below the first by more than chance (Welch's t-test, one-sided, 5 %).

    Each step draws other prompts, so that means of a few steps differ for no other reason.
    """
    from scipy.stats import ttest_ind

    quarter = max(2, len(values) // 4)
    test = ttest_ind(values[-quarter:], values[:quarter], equal_var=False, alternative="less")
    return bool(test.pvalue < 0.05)


def trend(values: Sequence[float]) -> tuple[float, float]:
    """Means of the first and of the last quarter of a series (at least one value each)."""
    quarter = max(1, len(values) // 4)
    return sum(values[:quarter]) / quarter, sum(values[-quarter:]) / quarter
