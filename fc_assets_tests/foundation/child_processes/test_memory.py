"""Peak memory is the process's own, and counts what it has given back."""

from __future__ import annotations

import subprocess
import sys

from fc_assets.foundation.child_processes.memory import peak_rss_mb

IMPORT = "from fc_assets.foundation.child_processes.memory import peak_rss_mb"
MEASURED = IMPORT + "; before = peak_rss_mb(); {work}; print(peak_rss_mb() - {floor})"


def _child(work: str, floor: str) -> float:
    command = [sys.executable, "-c", MEASURED.format(work=work, floor=floor)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


def test_memory_that_was_given_back_still_counts() -> None:
    assert 90 < _child(work="block = b'x' * 100_000_000; del block", floor="before") < 120


def test_a_child_does_not_report_its_parents_peak() -> None:
    block = b"x" * 200_000_000
    own = _child(work="pass", floor="0")
    assert 1 < own < len(block) / 1e6 < peak_rss_mb()
