"""Recommendations from matrices whose answer can be read off."""

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.load_test.findings.capacity import knee, slo_concurrency
from fc_assets.load_test.findings.recommendation import best_of_sweep, recommend
from fc_assets.profiles import ServerSettings, ServiceLevel

SLO = ServiceLevel(ttft_p95_s=1.0, tpot_p95_s=0.05, at_concurrency=4)
SERVER = ServerSettings(max_num_seqs=64, max_num_batched_tokens=2048, max_model_len=4096)


def cell(context: int, level: int, *, ttft: float = 0.1, rate: float = 1.0, e2e: float = 1.0, **more: float) -> dict:
    return {
        "kind": "closed",
        "context_length": context,
        "concurrency": level,
        "ttft_p95_s": ttft,
        "tpot_p95_s": 0.01,
        "error_rate": 0.0,
        "requests_per_s": rate,
        "e2e_p50_s": e2e,
        **more,
    }


def saturating(context: int, limit: int = 4) -> list[dict]:
    """Throughput grows up to `limit` under way and then no more; latency follows by Little's law."""
    levels = (1, 2, 4, 8, 16)
    return [cell(context, n, rate=float(min(n, limit)), e2e=n / min(n, limit), ttft=0.3 * n / 4) for n in levels]


def test_the_knee_is_where_throughput_stops_growing() -> None:
    assert knee(saturating(256, limit=4)) == 4
    assert knee(saturating(256, limit=8)) == 8


def test_the_slo_must_hold_at_every_context_length() -> None:
    rows = [cell(256, 1), cell(256, 2), cell(256, 4), cell(1024, 1), cell(1024, 2), cell(1024, 4, ttft=1.5)]
    assert slo_concurrency(rows, SLO) == 2


@pytest.mark.parametrize("broken", [{"ttft": 2.0}, {"tpot_p95_s": 0.2}, {"error_rate": 0.1}, {"ttft": float("nan")}])
def test_any_broken_promise_counts(broken: dict[str, float]) -> None:
    assert slo_concurrency([cell(256, 1), cell(256, 2, **broken), cell(256, 4)], SLO) == 1


def test_a_limit_that_was_found_becomes_the_setting() -> None:
    found = recommend(saturating(256), [], SERVER, SLO)  # TTFT passes 1 s above 8 under way
    assert (found.slo_concurrency, found.max_num_seqs, found.holds) == (8, 8, True)
    assert found.flags[found.flags.index("--max-num-seqs") + 1] == "8"
    assert found.knees == {256: 4}


def test_no_limit_is_invented_below_what_was_measured() -> None:
    found = recommend([cell(256, 1), cell(256, 2)], [], SERVER, SLO)
    assert (found.slo_concurrency, found.max_num_seqs) == (2, SERVER.max_num_seqs)


def test_an_slo_that_never_held_is_said() -> None:
    found = recommend([cell(256, 1, ttft=3.0)], [], SERVER, SLO)
    assert not found.holds
    assert any("did not hold" in reason for reason in found.reasons)


def test_the_sweep_decides_where_there_is_one() -> None:
    def tried(seqs: int, tokens: int, goodput: float, ttft: float) -> dict:
        settings = {"max_num_seqs": seqs, "max_num_batched_tokens": tokens}
        return {**settings, "goodput_per_s": goodput, "ttft_p95_s": ttft, "concurrency": 32}

    sweep = [tried(16, 2048, 5.0, 0.9), tried(32, 2048, 9.9, 0.3), tried(32, 8192, 10.0, 0.5)]
    assert best_of_sweep(sweep)["max_num_batched_tokens"] == 2048  # within 2 % of the best, and sooner
    found = recommend(saturating(256), sweep, SERVER, SLO)
    assert (found.max_num_seqs, found.max_num_batched_tokens) == (32, 2048)


def test_a_matrix_without_closed_cells_is_refused() -> None:
    with pytest.raises(FcAssetsError, match="no closed-loop cell"):
        recommend([{**cell(256, 1), "kind": "open"}], [], SERVER, SLO)
