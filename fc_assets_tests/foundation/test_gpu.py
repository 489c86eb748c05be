"""What card there is, asked of a driver that is not there."""

import sys
from types import SimpleNamespace

import pytest

from fc_assets.foundation.gpu import Card, UnknownCard, find_card


class NvmlError(Exception):
    pass


class NotSupported(NvmlError):
    pass


def driver(**answers: object) -> SimpleNamespace:
    """The functions of NVML that are asked, with these answers in place of an undivided, real card's."""

    def not_supported(handle: object) -> object:
        raise NotSupported

    return SimpleNamespace(
        **{
            "NVMLError": NvmlError,
            "NVMLError_NotSupported": NotSupported,
            "nvmlInit": lambda: None,
            "nvmlShutdown": lambda: None,
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetHandleByUUID": lambda uuid: uuid,
            "nvmlDeviceGetMigMode": not_supported,
            "nvmlDeviceGetVirtualizationMode": lambda handle: 0,
            "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(total=12, free=11),
            "nvmlDeviceGetName": lambda handle: f"card {handle}",
            "nvmlSystemGetDriverVersion": lambda: "580.82",
            **answers,
        }
    )


def found(monkeypatch: pytest.MonkeyPatch, nvml: object, visible: str | None = None) -> object:
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    return find_card()


def test_the_first_card_that_is_visible_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, driver()) == Card("card 0", 12, 11, "580.82")
    assert found(monkeypatch, driver(), "2,0") == Card("card 2", 12, 11, "580.82")
    assert found(monkeypatch, driver(), "GPU-7") == Card("card GPU-7", 12, 11, "580.82")
    assert found(monkeypatch, driver(), "") is None


def test_a_part_of_a_card_has_no_known_size(monkeypatch: pytest.MonkeyPatch) -> None:
    divided = found(monkeypatch, driver(nvmlDeviceGetMigMode=lambda handle: [1, 1]))
    assert isinstance(divided, UnknownCard) and "MIG" in divided.reason
    virtual = found(monkeypatch, driver(nvmlDeviceGetVirtualizationMode=lambda handle: 2))
    assert isinstance(virtual, UnknownCard) and "vGPU" in virtual.reason


def test_a_machine_without_a_driver_has_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_driver() -> None:
        raise NvmlError

    assert found(monkeypatch, driver(nvmlInit=no_driver)) is None
