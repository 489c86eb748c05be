"""Recommendations from matrices whose answer can be read off."""

import json
from pathlib import Path

import pytest

from fc_assets.errors import FcAssetsError
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
        return {**settings, "goodput_per_s": goodput, "ttft_p95_s": ttft, "concurrency": 32}

    sweep = [tried(16, 2048, 5.0, 0.9), tried(32, 2048, 9.9, 0.3), tried(32, 8192, 10.0, 0.5)]
    assert best_of_sweep(sweep)["max_num_batched_tokens"] == 2048  # within 2 % of the best, and sooner
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
