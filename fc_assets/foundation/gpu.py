"""The GPU: how Dagster is told that a step needs it, and what card this machine has. No step's code belongs here.

Dagster reads pool and tags as plain strings, so this module needs no Dagster.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

GPU_POOL = "gpu"
"""Steps in this pool run one at a time over all runs (`dagster.yaml` sets the pool's limit to 1): one card holds one
model. This helps machines without a card too, where two vLLM servers would fight for the same cores."""

GPU_OP_TAGS = {
    # The Kubernetes launcher and executor read the request from this tag; other launchers ignore it.
    "dagster-k8s/config": {
        "container_config": {"resources": {"limits": {"nvidia.com/gpu": "1"}}},
        # The label is of NVIDIA's GPU operator, the taint the one that managed clusters put on such nodes.
        "pod_spec_config": {
            "node_selector": {"nvidia.com/gpu.present": "true"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        },
    },
    "fc_assets/needs": "gpu",
}

_DRIVER_LOADED = Path("/proc/driver/nvidia/version")
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_VIRTUAL_MODE = 2
"""NVML_GPU_VIRTUALIZATION_MODE_VGPU: the card is a slice that a hypervisor gives out."""


@dataclass(frozen=True)
class Card:
    """An NVIDIA card as its driver describes it; memory in bytes, `driver` such as 580.82.07."""

    name: str
    total: int
    free: int
    driver: str


@dataclass(frozen=True)
class UnknownCard:
    """There is a card, but how much of it this process may take cannot be found out, for this reason."""

    reason: str


def find_card() -> Card | UnknownCard | None:
    """The first card that this process may use; None where there is none. Takes milliseconds, imports no torch."""
    if os.environ.get(_VISIBLE) == "":
        return None
    try:
        import pynvml  # comes with the GPU build only
    except ImportError:
        return UnknownCard("the package nvidia-ml-py is not installed") if _DRIVER_LOADED.exists() else None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:  # a machine without a card, or without its driver
        return None
    try:
        return _describe(pynvml, _first_visible(pynvml))
    except pynvml.NVMLError as error:
        return UnknownCard(f"its driver says: {error}")
    finally:
        pynvml.nvmlShutdown()


def _first_visible(nvml: ModuleType) -> Any:
    first = os.environ.get(_VISIBLE, "0").split(",")[0].strip()
    return nvml.nvmlDeviceGetHandleByIndex(int(first)) if first.isdigit() else nvml.nvmlDeviceGetHandleByUUID(first)


def _describe(nvml: ModuleType, handle: Any) -> Card | UnknownCard:
    if _asked(nvml, nvml.nvmlDeviceGetMigMode, handle, [0])[0]:
        return UnknownCard("the card is divided (MIG), and the size of this process's part is not known")
    if _asked(nvml, nvml.nvmlDeviceGetVirtualizationMode, handle, 0) == _VIRTUAL_MODE:
        return UnknownCard("the card is virtual (vGPU), and the size of this machine's part is not known")
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return Card(
        name=str(nvml.nvmlDeviceGetName(handle)),
        total=int(memory.total),
        free=int(memory.free),
        driver=str(nvml.nvmlSystemGetDriverVersion()),
    )


def _asked(nvml: ModuleType, question: Any, handle: Any, otherwise: Any) -> Any:
    """What the driver answers; `otherwise` for a card that does not know the question, as consumers' cards and MIG."""
    try:
        return question(handle)
    except nvml.NVMLError_NotSupported:
        return otherwise
