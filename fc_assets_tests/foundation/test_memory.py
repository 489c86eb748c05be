"""Peak memory is this process's own, and counts what it has given back."""

from __future__ import annotations

import subprocess
import sys

from fc_assets.foundation.memory import peak_rss_mb


def test_memory_that_was_given_back_still_counts() -> None:
    before = peak_rss_mb()
    block = bytearray(int(before * 1e6) + 50_000_000)
    block[::4096] = b"\x01" * len(block[::4096])
    del block
    assert peak_rss_mb() > before + 40


def test_a_child_does_not_report_its_parents_peak() -> None:
    program = "from fc_assets.foundation.memory import peak_rss_mb; print(peak_rss_mb())"
    block = bytearray(200_000_000)
    block[::4096] = b"\x01" * len(block[::4096])
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert 1 < float(child.stdout) < 150 < peak_rss_mb()
