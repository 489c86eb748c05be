"""What a card tells, and what a slice of one does not: a stand-in for NVML, since the tests have no card."""

from types import SimpleNamespace

import pytest

from fc_assets.load_test.server_side import machine
from fc_assets.load_test.server_side.machine import MachineMeter, gpu_names


class NotSupportedError(Exception):
    """As NVML raises it."""


class Nvml(SimpleNamespace):
    """Two cards, or two slices: these know their memory only."""

    NVMLError = NotSupportedError

    def __init__(self, *, sliced: bool, lost: bool = False) -> None:
        super().__init__(sliced=sliced, lost=lost, millijoules=0)

    def _whole(self, value: object) -> object:
        if self.sliced:
            raise NotSupportedError("Not Supported")
        return value

    def nvmlDeviceGetCount(self) -> int:
        if self.lost:
            raise NotSupportedError("GPU is lost")
        return 2

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:
        return number

    def nvmlDeviceGetUtilizationRates(self, card: int) -> object:
        return self._whole(SimpleNamespace(gpu=(80, 40)[card]))

    def nvmlDeviceGetMemoryInfo(self, card: int) -> object:
        return SimpleNamespace(used=3_000_000_000)

    def nvmlDeviceGetPowerUsage(self, card: int) -> object:
        return self._whole(250_000)

    def nvmlDeviceGetTotalEnergyConsumption(self, card: int) -> object:
        self.millijoules += 50_000
        return self._whole(self.millijoules)

    def nvmlDeviceGetName(self, card: int) -> str:
        return "NVIDIA X MIG 1g.10gb" if self.sliced else "NVIDIA X"

    def nvmlSystemGetDriverVersion(self) -> str:
        return "550.1"


def measured(nvml: Nvml) -> dict:
    meter = MachineMeter(_nvml=nvml)
    meter.sample(0.0)
    meter.sample(1.0)
    return meter.figures(output_tokens=100)


def test_cards_tell_use_memory_power_and_energy() -> None:
    found = measured(Nvml(sliced=False))
    assert found["gpu_use"] == pytest.approx(0.6)
    assert found["gpu_memory_peak_mb"] == 6000
    assert found["gpu_power_w"] == 500
    assert found["gpu_j_per_output_token"] == pytest.approx(2.0)  # 350 J after 150 J, for 100 tokens


def test_what_a_slice_of_a_card_does_not_tell_is_not_measured_and_fails_nothing() -> None:
    found = measured(Nvml(sliced=True))
    assert found["gpu_memory_peak_mb"] == 6000
    assert found["gpu_use"] is found["gpu_power_w"] is found["gpu_j_per_output_token"] is None


def test_a_card_that_is_lost_fails_neither_the_cell_nor_the_record_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(measured(Nvml(sliced=False, lost=True)).values()) == {None}
    monkeypatch.setattr(machine, "open_nvml", lambda: Nvml(sliced=False, lost=True))
    assert gpu_names() == ["NVIDIA GPUs that do not tell their names (GPU is lost)"]


def test_cards_and_driver_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu_names() == []
    monkeypatch.setattr(machine, "open_nvml", lambda: Nvml(sliced=True))
    assert gpu_names() == ["NVIDIA X MIG 1g.10gb, driver 550.1"] * 2
