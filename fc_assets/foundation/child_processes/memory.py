"""How much memory this process has taken. The GPU's memory is the caller's to ask, since that takes a model library."""

from __future__ import annotations

from pathlib import Path


def peak_rss_mb() -> float:
    """This process's highest resident memory so far, in MB of 10^6 bytes.

    Read from Linux's /proc: the maximum that getrusage gives survives exec, so it can be that of the parent process.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kib) * 1024 / 1e6
