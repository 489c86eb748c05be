"""Up to which load the promise holds, and where more load stops paying."""

import pytest

from fc_assets.load_test.findings.capacity import knee, slo_concurrency
from fc_assets_tests.load_test.findings.conftest import SLO, cell, saturating


def test_the_knee_is_where_throughput_stops_growing() -> None:
    assert knee(saturating(256, limit=4)) == 4
    assert knee(saturating(256, limit=8)) == 8


def test_the_slo_must_hold_at_every_context_length() -> None:
    rows = [cell(256, 1), cell(256, 2), cell(256, 4), cell(1024, 1), cell(1024, 2), cell(1024, 4, ttft=1.5)]
    assert slo_concurrency(rows, SLO) == 2


@pytest.mark.parametrize("broken", [{"ttft": 2.0}, {"tpot_p95_s": 0.2}, {"error_rate": 0.1}, {"ttft": float("nan")}])
def test_any_broken_promise_counts(broken: dict[str, float]) -> None:
    assert slo_concurrency([cell(256, 1), cell(256, 2, **broken), cell(256, 4)], SLO) == 1
