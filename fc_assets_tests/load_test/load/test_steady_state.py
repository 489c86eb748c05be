"""Warm-up and tail of loads whose shape is known."""

import numpy as np
import pytest

from fc_assets.load_test.load.steady_state import longest_plateau, steady_figures, time_slices


def row(sent: float, seconds: float, phase: str = "measured") -> dict:
    times = {"sent_s": sent, "intended_s": sent, "ended_s": sent + seconds, "arrivals_s": [sent + 0.1, sent + seconds]}
    return {**times, "worker": 0, "phase": phase, "failure": "", "output_tokens": 10}


def trapezium(*, window_from: float = 0.0) -> list[dict]:
    """Eight workers that start a second apart and each go on for 30 s: up for 8 s, level for 22, down for 8."""
    rows = [row(worker + turn, 1.0) for worker in range(8) for turn in range(30)]
    for each in rows:
        each["phase"] = "measured" if window_from <= each["sent_s"] < 30 else "warm-up"
        each |= {name: each[name] - window_from for name in ("sent_s", "intended_s", "ended_s")}
        each["arrivals_s"] = [when - window_from for when in each["arrivals_s"]]
    return rows


def test_ramp_and_tail_are_found() -> None:
    found = steady_figures(trapezium())
    assert found["steady_from_s"] == pytest.approx(7, abs=1.3)
    assert found["steady_to_s"] == pytest.approx(31, abs=1.3)
    assert found["steady_share"] == pytest.approx(23 / 30, abs=0.06)  # the window began with the ramp


def test_a_window_that_begins_after_the_ramp_lies_on_the_plateau() -> None:
    assert steady_figures(trapezium(window_from=8.0))["steady_share"] == pytest.approx(1.0)


def test_the_longest_plateau_is_taken_and_the_busier_of_equals() -> None:
    assert longest_plateau(np.array([2.0, 20, 20, 20, 20, 2])) == (1, 4)
    assert longest_plateau(np.array([0.0, 0, 10, 14, 30, 30])) == (4, 5)
    assert longest_plateau(np.array([10.0, 11, 9, 10.5])) == (0, 3)


def test_a_load_of_one_request_and_an_open_one_have_no_plateau() -> None:
    assert steady_figures([row(0, 1)])["steady_share"] is None
    assert steady_figures([{**each, "worker": None} for each in trapezium()])["steady_share"] is None


def test_figures_over_time_show_when_a_server_slowed_down() -> None:
    rows = [row(float(number), 1.0 if number < 12 else 3.0) for number in range(24)]
    for each in rows[12:]:
        each["arrivals_s"] = [each["sent_s"] + 2.0, each["ended_s"]]
    slices = time_slices(rows)
    assert len(slices) == 12
    assert slices[1]["ttft_p50_s"] == pytest.approx(0.1)
    assert slices[8]["ttft_p50_s"] == pytest.approx(2.0)
    assert slices[1]["under_way"] == pytest.approx(1.0)
    assert slices[9]["under_way"] == pytest.approx(3.0)
    seconds = slices[1]["at_s"] - slices[0]["at_s"]
    assert sum(each["output_tokens_per_s"] for each in slices) * seconds == pytest.approx(240)
    assert time_slices([row(0, 1, "warm-up")]) == []
