"""docs/gpu.md says what preflight computes, and the benchmark for a card writes nothing without one."""

import subprocess
import sys

from fc_assets_tests.support.graph import ROOT
from scripts import write_gpu_page
from scripts.write_reference import renewed


def test_the_tables_are_those_of_the_sums() -> None:
    text = write_gpu_page.PAGE.read_text(encoding="utf-8")
    assert text == renewed(text, write_gpu_page.tables()), "run python -m scripts.write_gpu_page and commit it"
    assert "computed, not" in text


def test_without_a_card_the_benchmark_says_so_and_writes_nothing() -> None:
    before = sorted((ROOT / "benchmarks" / "results").iterdir())
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu_training", "--peak-tflops", "100"],
        cwd=ROOT,
        env={"CUDA_VISIBLE_DEVICES": "", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: gpu_training needs an NVIDIA card")
    assert sorted((ROOT / "benchmarks" / "results").iterdir()) == before
