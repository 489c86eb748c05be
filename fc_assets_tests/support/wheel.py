"""A wheel of this checkout, to see what an installed package holds."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]


def unpacked_wheel(folder: Path) -> Path:
    """A wheel built in `folder` and unpacked: `$PYTHONPATH` for a process that must not see the checkout."""
    source = folder / "source"  # a copy: setuptools would pack what an earlier build left in the checkout
    shutil.copytree(CHECKOUT / "fc_assets", source / "fc_assets", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    argv = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*argv, "--wheel-dir", folder, source], check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("fc_assets-*.whl")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(folder / "installed")
    return folder / "installed"
