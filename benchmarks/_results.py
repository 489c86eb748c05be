"""How a benchmark leaves its figures: one JSON file with the date, the machine and the versions beside them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from fc_assets.foundation.planning.machine import processor_name

RESULTS = Path(__file__).parent / "results"


def write_result(name: str, figures: Mapping[str, float | None], packages: Sequence[str] = ()) -> Path:
    """Write `results/<name>.json`: {date, machine, versions, figures}, and print the figures.

    Keys of `figures` carry their units (`bootstrap_s`, `peak_rss_mb`). `packages` are the distributions whose versions
    matter to them; Python's is always there. Returns the file's path.
    """
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": processor_name(),
            "cores": os.cpu_count(),
            "memory_gb": _memory_gb(),
            "system": platform.system(),
        },
        "versions": {"python": platform.python_version(), **{package: version(package) for package in packages}},
        "figures": dict(figures),
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for key, value in figures.items():
        print(f"{key}: {value}")
    return path


def _memory_gb() -> float:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
