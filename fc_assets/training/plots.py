"""Pictures of a training run: loss, reward and its signals, the policy, preference. Log records in, PNG bytes out.

What the numbers mean is `training_log`; the style of a figure is `foundation.presentation.figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fc_assets.foundation.presentation.figures import ACCENT, COLOURS, FAINT, WIDEST, new_figure, to_png
from fc_assets.training.jobs import LogRecord
from fc_assets.training.training_log import (
    CLIPPED,
    ENTROPY,
    KL,
    NO_SIGNAL,
    POLICY_CLIP,
    PREFERENCE_ACCURACY,
    PREFERENCE_MARGIN,
    PROBE_EXACT,
    reward_column,
    running_mean,
    series,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WINDOW = 10
"""Steps in a running mean."""


def loss_curve(log: Sequence[LogRecord], validation: Sequence[LogRecord]) -> bytes:
    """Training loss and token accuracy over steps; of validations, if there were any, the loss and the answers."""
    figure, left, right = _two_panels()
    steps = series(log, "step")
    left.plot(steps, series(log, "loss"), color=COLOURS[0], linewidth=1.8)
    left.set_ylabel("loss (answer tokens)")
    left.set_yscale("log")
    right.plot(steps, series(log, "mean_token_accuracy"), color=COLOURS[1], linewidth=1.8)
    right.set_ylabel("token accuracy")
    right.set_ylim(0, 1.02)
    if validation:
        _add_validation(left, right, validation)
    return to_png(figure)


def _add_validation(left: Axes, right: Axes, validation: Sequence[LogRecord]) -> None:
    steps = series(validation, "step")
    left.plot(steps, series(validation, "loss"), color=ACCENT, marker="o", markersize=4, label="held-out turns")
    left.legend(frameon=False)
    for name, label, colour in (("parse_rate", "parse rate", COLOURS[2]), ("exact_match", "exact match", ACCENT)):
        right.plot(steps, series(validation, name), color=colour, marker="o", markersize=4, label=label)
    right.set_ylabel("token accuracy; held-out turns: share of answers")
    right.legend(frameon=False, loc="lower right")


def reward_curve(log: Sequence[LogRecord], signals: Sequence[str], probe: Sequence[LogRecord] = ()) -> bytes:
    """Mean sampled reward over steps (dots, and a running mean over ten), and the running mean of every signal.

    Where there is a `probe`, exact match on held-out turns is drawn beside the reward.
    """
    figure, left, right = _two_panels()
    steps, reward = series(log, "step"), series(log, "reward")
    left.scatter(steps, reward, s=10, color=FAINT, label="step")
    left.plot(steps, running_mean(reward, _WINDOW), color=ACCENT, linewidth=2, label=f"mean of {_WINDOW} steps")
    if probe:
        left.plot(series(probe, "step"), series(probe, PROBE_EXACT), "o--", color=COLOURS[1], label="exact, held out")
    left.set_ylabel("sampled reward")
    left.legend(frameon=False, loc="lower right")
    for signal, colour in zip(signals, COLOURS, strict=False):
        means = running_mean(series(log, reward_column(signal)), _WINDOW)
        right.plot(steps, means, linewidth=1.6, color=colour, label=signal)
    right.set_ylabel(f"signal, mean of {_WINDOW} steps")
    right.set_ylim(0, 1.02)
    right.legend(frameon=False, loc="lower right", fontsize="small")
    return to_png(figure)


def policy_curve(log: Sequence[LogRecord]) -> bytes:
    """What GRPO does to the policy: its entropy (and KL, where it counts) over steps, and the shares that say whether
    there is anything to learn: completions cut, groups without signal, tokens clipped."""
    figure, left, right = _two_panels()
    _lines(left, log, {ENTROPY: "entropy", KL: "KL to the SFT model"})
    left.set_ylabel("nats per token")
    _lines(right, log, {CLIPPED: "completions cut", NO_SIGNAL: "groups without signal", POLICY_CLIP: "tokens clipped"})
    right.set_ylabel(f"share, mean of {_WINDOW} steps")
    right.set_ylim(-0.02, 1.02)
    return to_png(figure)


def _lines(axis: Axes, log: Sequence[LogRecord], labels: Mapping[str, str]) -> None:
    """A running mean for each column that the log has."""
    for (name, label), colour in zip(labels.items(), COLOURS, strict=False):
        records = [record for record in log if name in record]
        if records:
            means = running_mean(series(records, name), _WINDOW)
            axis.plot(series(records, "step"), means, linewidth=1.6, color=colour, label=label)
    axis.legend(frameon=False, fontsize="small")


def preference_curve(log: Sequence[LogRecord]) -> bytes:
    """DPO's loss over steps, and the running mean of how far and how often the better answer is preferred."""
    figure, left, right = _two_panels()
    steps, loss = series(log, "step"), series(log, "loss")
    left.scatter(steps, loss, s=10, color=FAINT, label="step")
    left.plot(steps, running_mean(loss, _WINDOW), color=ACCENT, linewidth=2, label=f"mean of {_WINDOW} steps")
    left.set_ylabel("loss")
    left.legend(frameon=False, loc="upper right")
    for name, colour, label in (
        (PREFERENCE_MARGIN, COLOURS[0], "margin of the rewards"),
        (PREFERENCE_ACCURACY, COLOURS[1], "share of pairs preferred"),
    ):
        right.plot(steps, running_mean(series(log, name), _WINDOW), linewidth=1.8, color=colour, label=label)
    right.set_ylabel(f"mean of {_WINDOW} steps")
    right.legend(frameon=False, loc="upper left", fontsize="small")
    return to_png(figure)


def _two_panels() -> tuple[Figure, Axes, Axes]:
    figure, (left, right) = new_figure(WIDEST, 3.4, columns=2)
    for axis in (left, right):
        axis.set_xlabel("step")
    return figure, left, right
