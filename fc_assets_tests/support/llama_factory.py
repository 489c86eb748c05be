"""LLaMA-Factory in an environment of its own, made once: its pins clash with ours.

Where PyPI is not to be had, who asks for it skips with the reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

VERSION = "0.9.5"
_RUN = Path(__file__).parent / "llama_factory_run.py"
_CACHE = Path.home() / ".cache" / "fc-assets-tests" / f"llama-factory-{VERSION}"
_UNUSED = ("torchvision", "torchaudio", "torchcodec", "triton")
"""What LLaMA-Factory asks for and text does not use; their wheels want another build of PyTorch than the CPU's."""
_INSTALL_TIMEOUT_S = 600
_RUN_TIMEOUT_S = 900


def encoded_rows(config: Path, **overrides: object) -> list[dict[str, list[int]]]:
    """`input_ids` and `labels` of each row, as LLaMA-Factory would train with the YAML file `config`."""
    found: list[dict[str, list[int]]] = _run("encode", config, overrides)["rows"]
    return found


def training_seconds(config: Path, **overrides: object) -> float:
    """Train with the YAML file `config`; the seconds on the clock of the loop alone."""
    return float(_run("train", config, overrides)["seconds"])


def _run(mode: str, config: Path, overrides: dict[str, object]) -> Any:
    out = config.with_suffix(f".{mode}.json")
    argv = [python(), _RUN, mode, out, config, "use_cpu=true", *(f"{key}={value}" for key, value in overrides.items())]
    offline = {"HF_HUB_OFFLINE": "1", "DISABLE_VERSION_CHECK": "1", "HF_DATASETS_CACHE": str(config.parent / "cache")}
    done = subprocess.run(
        [str(word) for word in argv],
        env={**os.environ, **offline},
        capture_output=True,
        text=True,
        timeout=_RUN_TIMEOUT_S,
    )
    assert done.returncode == 0, f"LLaMA-Factory could not {mode}:\n{done.stderr[-3000:]}"
    return json.loads(out.read_text(encoding="utf-8"))


@cache
def python() -> Path:
    """The Python of the environment, which is installed if it is not there yet: 2 GB, half a minute where PyPI is near.

    An earlier attempt that was killed has no stamp and is made anew.
    """
    found, stamp = _CACHE / "bin" / "python", _CACHE / "installed"
    if not stamp.is_file():
        try:
            _install(found)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            said = str(error.stderr or error)[-500:]
            pytest.skip(f"LLaMA-Factory {VERSION} could not be installed from PyPI: {said}")
        stamp.touch()
    return found


def _install(target: Path) -> None:
    overrides = _CACHE.with_suffix(".overrides.txt")
    overrides.parent.mkdir(parents=True, exist_ok=True)
    overrides.write_text("".join(f'{name}; sys_platform == "never"\n' for name in _UNUSED), encoding="utf-8")
    local = os.environ.get("PIP_FIND_LINKS")  # uv does not read pip's settings
    torch = ["--find-links", local] if local else ["--torch-backend", "cpu"]
    _uv("venv", "--clear", _CACHE)
    _uv(
        "pip",
        "install",
        "--python",
        target,
        "--override",
        overrides,
        *torch,
        f"llamafactory=={VERSION}",
        "torch==2.13.0",
    )


def _uv(*words: object) -> None:
    argv = [sys.executable, "-m", "uv", *map(str, words), "--quiet"]
    subprocess.run(argv, check=True, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S)
