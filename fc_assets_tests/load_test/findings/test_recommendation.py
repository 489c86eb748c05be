"""Recommendations from matrices whose answer can be read off."""

import json
from pathlib import Path

import pytest

from fc_assets.errors import FcAssetsError
from fc_assets.load_test.capacity.probes import Capacities
from fc_assets.load_test.capacity.search import SloCapacity, TriedLoad
from fc_assets.load_test.findings.recommendation import (
    best_of_sweep,
    read_recommendation,
    recommend,
    write_recommendation,
)
from fc_assets.names import RECOMMENDATION
from fc_assets.profiles import ServerSettings
from fc_assets_tests.load_test.findings.conftest import SLO, cell, saturating

SERVER = ServerSettings(max_num_seqs=64, max_num_batched_tokens=2048, max_model_len=4096)


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
        return {**cell(256, 32, ttft=ttft), **settings, "goodput_per_s": goodput}

    sweep = [tried(16, 2048, 5.0, 0.9), tried(32, 2048, 9.9, 0.3), tried(32, 8192, 10.0, 0.5)]
    assert best_of_sweep(sweep, SLO)["max_num_batched_tokens"] == 2048  # within 2 % of the best, and sooner
    found = recommend(saturating(256), sweep, SERVER, SLO)
    assert (found.max_num_seqs, found.max_num_batched_tokens) == (32, 2048)


def test_a_matrix_without_closed_cells_is_refused() -> None:
    with pytest.raises(FcAssetsError, match="no closed-loop cell"):
        recommend([{**cell(256, 1), "kind": "open"}], [], SERVER, SLO)


def test_what_is_written_is_read_back_with_the_settings_apart(tmp_path: Path) -> None:
    found = recommend(saturating(256), [], SERVER, SLO)
    write_recommendation(found, SLO, [], tmp_path)
    assert read_recommendation(tmp_path) == found
    written = json.loads((tmp_path / RECOMMENDATION).read_text())
    assert written["settings"] == {"max_num_seqs": 8, "max_num_batched_tokens": 2048, "max_model_len": 4096}
    assert written["slo"] == SLO.model_dump()
    assert written["knees"] == {"256": 4}


def test_where_no_setting_met_the_slo_none_is_called_the_best() -> None:
    settings = {"max_num_seqs": 16, "max_num_batched_tokens": 8192}
    for worst in ({"goodput_per_s": 0.0, "ttft": 9.0}, {"goodput_per_s": 3.0, "ttft": 1.2}):
        sweep = [{**cell(256, 32, **worst), **settings}]
        assert best_of_sweep(sweep, SLO) is None
        found = recommend(saturating(256), sweep, SERVER, SLO)
        assert (found.max_num_seqs, found.max_num_batched_tokens) == (64, 2048)
        assert "None of the 1 server settings tried met the SLO, so the profile's stay" in found.reasons
        assert not any("best goodput" in reason for reason in found.reasons)


def searched(level: float, broken_at: float | None) -> Capacities:
    tried = TriedLoad(level=1, requests=24, kept=24, requests_per_s=1.0, ttft_p95_s=0.1, tpot_p95_s=0.01)
    closed = SloCapacity(kind="closed", level=level, broken_at=broken_at, confirmed=True, probes=[tried])
    return Capacities(context_length=256, slo=SLO, closed=closed)


def test_a_capacity_that_was_searched_decides_over_the_cells() -> None:
    found = recommend(saturating(256), [], SERVER, SLO, searched(13, 14))
    assert (found.slo_concurrency, found.slo_broken_at, found.max_num_seqs) == (13, 14, 13)
    assert any("13 requests under way met the SLO, 14 broke it" in reason for reason in found.reasons)
    unlimited = recommend(saturating(256), [], SERVER, SLO, searched(128, None))
    assert (unlimited.slo_concurrency, unlimited.max_num_seqs, unlimited.holds) == (128, 64, True)
    none = recommend(saturating(256), [], SERVER, SLO, searched(0, 1))
    assert not none.holds
    assert any("no load met the SLO" in reason for reason in none.reasons)
