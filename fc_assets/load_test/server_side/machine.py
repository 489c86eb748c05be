"""What the machine spent while a load ran: CPU and memory of the server's processes, and the GPUs where there are any.

Reads only; when a sample is taken is decided in `matrix`.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from types import ModuleType

import psutil


@dataclass
class MachineMeter:
    """Samples the process family below `pid` (0: none of this machine's) and every visible NVIDIA GPU."""

    pid: int = 0
    _cpu_seconds: list[tuple[float, float]] = field(default_factory=list)
    _rss: list[int] = field(default_factory=list)
    _gpu_use: list[float] = field(default_factory=list)
    _gpu_bytes: list[int] = field(default_factory=list)
    _nvml: ModuleType | None = field(default_factory=lambda: _open_nvml())

    def sample(self, now: float) -> None:
        """Take one sample at `now`, seconds of any steady clock."""
        if self.pid:
            seconds, resident = _family(self.pid)
            self._cpu_seconds.append((now, seconds))
            self._rss.append(resident)
        if self._nvml is not None:
            handles = [self._nvml.nvmlDeviceGetHandleByIndex(n) for n in range(self._nvml.nvmlDeviceGetCount())]
            rates = [self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100 for handle in handles]
            self._gpu_use.append(sum(rates) / len(rates))
            self._gpu_bytes.append(sum(self._nvml.nvmlDeviceGetMemoryInfo(handle).used for handle in handles))

    def figures(self) -> dict[str, float | None]:
        """Mean cores busy and peak resident MB of the server, mean use (0 to 1) and peak MB of the GPUs.

        None where it was not measured.
        """
        cores = None
        if len(self._cpu_seconds) > 1:
            (start, before), (end, after) = self._cpu_seconds[0], self._cpu_seconds[-1]
            cores = (after - before) / (end - start) if end > start else None
        return {
            "server_cores": cores,
            "server_rss_peak_mb": max(self._rss) / 1e6 if self._rss else None,
            "gpu_use": sum(self._gpu_use) / len(self._gpu_use) if self._gpu_use else None,
            "gpu_memory_peak_mb": max(self._gpu_bytes) / 1e6 if self._gpu_bytes else None,
        }


def _family(pid: int) -> tuple[float, int]:
    """CPU seconds used so far and resident bytes now, over the process and all below it."""
    seconds, resident = 0.0, 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in (root := psutil.Process(pid)), *root.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess), process.oneshot():
                times = process.cpu_times()
                seconds += times.user + times.system
                resident += process.memory_info().rss
    return seconds, resident


def _open_nvml() -> ModuleType | None:
    try:
        import pynvml  # comes with vLLM's GPU build only

        pynvml.nvmlInit()
    except (ImportError, OSError):
        return None
    except pynvml.NVMLError:  # a machine without a card, or without its driver
        return None
    return pynvml if pynvml.nvmlDeviceGetCount() else None
