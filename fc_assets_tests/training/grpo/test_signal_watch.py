"""A training with nothing to learn from says so while it runs, and stops; one that learns is left alone."""

from types import SimpleNamespace
from typing import Any

import pytest

from fc_assets.training.grpo.signal_watch import STOP_AFTER, WARN_AFTER, NoSignalError, SignalWatch
from fc_assets_tests.training.conftest import ListLog

CUT = {"completions/clipped_ratio": 1.0, "frac_reward_zero_std": 0.5, "grad_norm": 0.3}
ALIKE = {"completions/clipped_ratio": 0.0, "frac_reward_zero_std": 1.0, "grad_norm": 0.0}
MIXED = {"completions/clipped_ratio": 0.5, "frac_reward_zero_std": 0.5, "grad_norm": 0.0}
GOOD = {"completions/clipped_ratio": 0.9, "frac_reward_zero_std": 0.9, "grad_norm": 0.1}


def run(records: list[dict[str, float]], log: ListLog | None = None, *, end: bool = False) -> None:
    """Log these records, one a step, as transformers does: first into the history, then to the callbacks."""
    watch = SignalWatch(log or ListLog(), max_completion=64)
    state: Any = SimpleNamespace(log_history=[])
    for step, record in enumerate(records, start=1):
        state.log_history.append({**record, "step": step})
        watch.on_log(None, state, None, logs=record)
    state.log_history.append({"train_runtime": 1.0, "step": len(records)})
    watch.on_log(None, state, None, logs={"train_runtime": 1.0})
    if end:
        watch.on_train_end(None, state, None)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (CUT, r"100% of the completions were cut at grpo\.max_completion = 64 .*50% .*raise grpo\.max_completion"),
        (ALIKE, r"0% of the completions .* 100% of the groups earned one and the same reward; raise grpo\.temperature"),
        (MIXED, "50% of the completions .* 50% of the groups"),
    ],
)
def test_a_training_that_never_learns_stops_with_the_shares(record: dict[str, float], why: str) -> None:
    run([record] * (STOP_AFTER - 1))
    with pytest.raises(NoSignalError, match=f"in the {STOP_AFTER} records up to step {STOP_AFTER}, {why}"):
        run([record] * STOP_AFTER)


def test_a_short_training_that_never_learns_stops_at_its_end() -> None:
    run([CUT, GOOD, ALIKE], end=True)
    with pytest.raises(NoSignalError, match="in the 3 records up to step 3"):
        run([CUT, MIXED, ALIKE], end=True)


def test_empty_steps_in_a_row_are_warned_of_and_do_not_stop_a_training_that_has_learnt() -> None:
    log = ListLog()
    run([GOOD, *[ALIKE] * (WARN_AFTER - 1), GOOD], log)
    assert log.warnings == []
    run([GOOD, *[ALIKE] * (STOP_AFTER + 5)], log)
    assert [f"in the {count} records" in line for count, line in zip((10, 20, 30), log.warnings, strict=True)] == [
        True,
        True,
        True,
    ]
