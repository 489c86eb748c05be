"""What the machine spent while a load ran: CPU and memory of the server's processes, and the GPUs where there are any.

Reads only; when a sample is taken is decided in `matrix`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import psutil


@dataclass
class MachineMeter:
    """Samples the process family below `pid` (0: none of this machine's) and every visible NVIDIA GPU.

    A quantity that any card does not tell counts as not measured: a slice of a card (MIG, vGPU) tells its memory only.
    """

    pid: int = 0
    _cpu_seconds: list[tuple[float, float]] = field(default_factory=list)
    _rss: list[int] = field(default_factory=list)
    _gpu_use: list[float] = field(default_factory=list)
    _gpu_bytes: list[float] = field(default_factory=list)
    _gpu_watts: list[float] = field(default_factory=list)
    _gpu_joules: list[float] = field(default_factory=list)
    _nvml: ModuleType | None = field(default_factory=lambda: open_nvml())

    def sample(self, now: float) -> None:
        """Take one sample at `now`, seconds of any steady clock."""
        if self.pid:
            seconds, resident = _family(self.pid)
            self._cpu_seconds.append((now, seconds))
            self._rss.append(resident)
        if (nvml := self._nvml) is not None:
            self._ask(self._gpu_use, lambda card: nvml.nvmlDeviceGetUtilizationRates(card).gpu / 100, mean=True)
            self._ask(self._gpu_bytes, lambda card: nvml.nvmlDeviceGetMemoryInfo(card).used)
            self._ask(self._gpu_watts, lambda card: nvml.nvmlDeviceGetPowerUsage(card) / 1e3)
            self._ask(self._gpu_joules, lambda card: nvml.nvmlDeviceGetTotalEnergyConsumption(card) / 1e3)

    def _ask(self, samples: list[float], quantity: Callable[[Any], float], *, mean: bool = False) -> None:
        """Add the sum (or the mean) of the quantity over all cards to its samples, if each of them tells it."""
        if (nvml := self._nvml) is not None:
            with contextlib.suppress(nvml.NVMLError):  # most often "not supported"; a card may also be lost
                told = [quantity(card) for card in _cards(nvml)]
                samples.append(sum(told) / len(told) if mean else sum(told))

    def figures(self, output_tokens: int) -> dict[str, float | None]:
        """Mean cores busy and peak resident MB of the server; of the GPUs mean use (0 to 1), peak MB, mean power in W
        over all of them, and joules for each of the `output_tokens` that came between the first and the last sample.

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
            "gpu_power_w": sum(self._gpu_watts) / len(self._gpu_watts) if self._gpu_watts else None,
            "gpu_j_per_output_token": self._joules_per(output_tokens),
        }

    def _joules_per(self, output_tokens: int) -> float | None:
        if len(self._gpu_joules) < 2 or not output_tokens:
            return None
        return (self._gpu_joules[-1] - self._gpu_joules[0]) / output_tokens


def gpu_names() -> list[str]:
    """Each visible NVIDIA GPU with the driver's version; empty without one. A slice of a card is called as such.

    A machine with cards that do not tell their names has one name for them all, which says so.
    """
    if (nvml := open_nvml()) is None:
        return []
    try:
        driver = nvml.nvmlSystemGetDriverVersion()
        return [f"{nvml.nvmlDeviceGetName(card)}, driver {driver}" for card in _cards(nvml)]
    except nvml.NVMLError as error:
        return [f"NVIDIA GPUs that do not tell their names ({error})"]


def _cards(nvml: ModuleType) -> list[Any]:
    return [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]


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


def open_nvml() -> ModuleType | None:
    """NVML, ready to be asked; None where there is no card, no driver or no binding for them."""
    try:
        import pynvml  # comes with vLLM's GPU build only

        pynvml.nvmlInit()
    except (ImportError, OSError):
        return None
    except pynvml.NVMLError:  # a machine without a card, or without its driver
        return None
    return pynvml if pynvml.nvmlDeviceGetCount() else None
