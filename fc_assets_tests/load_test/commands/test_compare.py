"""Runs whose latencies are known: what is slower beyond doubt is said with a status, what may be chance is not."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fc_assets.foundation.json_files import write_json
from fc_assets.load_test.cli import main
from fc_assets.load_test.findings.repeats import over_runs
from fc_assets.load_test.matrix.tables import MatrixRecord
from fc_assets.names import MATRIX_CELLS, MATRIX_RECORD, MATRIX_REQUESTS


def write_run(folder: Path, medians: Mapping[str, float], seed: int = 0, device: str = "a card") -> Path:
    """A run with 40 requests in each cell, spread by a tenth around the cell's median end-to-end latency (s)."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    rows = [
        {"cell": cell, "phase": "measured", "failure": "", "intended_s": 0.0, "ended_s": median * rng.normal(1, 0.1)}
        for cell, median in medians.items()
        for _ in range(40)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / MATRIX_REQUESTS)
    pq.write_table(pa.Table.from_pylist([{"cell": cell} for cell in medians]), folder / MATRIX_CELLS)
    record = MatrixRecord(
        server={}, model="m", benchmark={}, conditions={"machine": {"gpu": device}}, calibration={}, resumed=[]
    )
    write_json(folder / MATRIX_RECORD, record.model_dump(mode="json"))
    return folder


def compare(*arguments: object) -> int:
    return main(["compare", *map(str, arguments)])


def test_a_slower_cell_is_named_with_its_ratio_and_a_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = write_run(tmp_path / "a", {"c1": 1.0, "c8": 2.0})
    after = write_run(tmp_path / "b", {"c1": 1.0, "c8": 3.0}, seed=1)
    assert compare(before, after) == 4
    printed = capsys.readouterr()
    (slow,) = [line for line in printed.out.splitlines() if "slower" in line and "c8" in line]
    assert 1.4 < float(slow.split()[3]) < 1.6
    assert "1 of 2 cells are slower in B by more than 10%" in printed.out
    assert "other conditions" not in printed.err


def test_the_same_and_the_faster_are_not_slower(tmp_path: Path) -> None:
    before = write_run(tmp_path / "a", {"c1": 1.0, "c8": 2.0})
    assert compare(before, write_run(tmp_path / "b", {"c1": 1.0, "c8": 1.0}, seed=1)) == 0
    assert compare(before, before) == 0
    assert compare(before, write_run(tmp_path / "c", {"c1": 1.3}, seed=1), "--margin", "0.5") == 0


def test_what_differs_from_run_to_run_is_no_proof(tmp_path: Path) -> None:
    """One run of each would look slower by 30 % beyond doubt; the repeats show that runs differ by as much."""
    for number, median in enumerate((1.0, 1.35, 1.1), 1):
        write_run(tmp_path / "a" / f"run-{number}", {"c1": median}, seed=number)
    for number, median in enumerate((1.3, 1.1, 1.25), 1):
        write_run(tmp_path / "b" / f"run-{number}", {"c1": median}, seed=10 + number)
    assert compare(tmp_path / "a" / "run-1", tmp_path / "b" / "run-1") == 4
    assert compare(tmp_path / "a", tmp_path / "b") == 0


def test_what_cannot_be_compared_is_an_error_and_other_conditions_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = write_run(tmp_path / "a", {"c1": 1.0})
    assert compare(before, tmp_path / "none") == 1
    assert compare(before, write_run(tmp_path / "b", {"c9": 1.0})) == 1
    assert compare(before, write_run(tmp_path / "c", {"c1": 1.0}, device="another card")) == 0
    said = capsys.readouterr().err
    assert "none holds no run of the load test" in said
    assert "have no cell in common" in said
    assert "measured under other conditions: machine.gpu is 'a card', not 'another card' (A, B)" in said


def test_the_interval_over_runs_is_students() -> None:
    figures = dict.fromkeys(("ttft_p95_s", "e2e_p50_s", "requests_per_s", "output_tokens_per_s"), 1.0)
    rows = over_runs([[{"cell": "c1", "ttft_p50_s": value, **figures}] for value in (1.0, 2.0, 3.0)])
    assert rows[0]["figure"] == "ttft_p50_s"
    assert (rows[0]["runs"], rows[0]["mean"]) == (3, 2.0)
    assert rows[0]["high"] - rows[0]["mean"] == pytest.approx(4.303 / 3**0.5, rel=1e-3)  # t of 2 degrees of freedom
    assert rows[1]["low"] == rows[1]["high"] == 1.0
