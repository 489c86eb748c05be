"""A code version changes with the modules that do an asset's work and their templates, and with nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fc_assets
from fc_assets.foundation.code_version import code_version

MODULE = "fc_assets.edge.conversion.convert_job"
PROGRAM = f"from fc_assets.foundation.code_version import code_version; print(code_version({MODULE!r}))"


def _version(package: Path) -> str:
    command = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run(command, cwd=package.parent, capture_output=True, text=True, check=True, timeout=60)
    return ended.stdout.strip()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package whose files a test may change."""
    source = Path(fc_assets.__file__).parent
    ignore = shutil.ignore_patterns("__pycache__", "*.safetensors")
    return shutil.copytree(source, tmp_path_factory.mktemp("code") / "fc_assets", ignore=ignore)


def test_a_copy_of_the_code_has_the_same_version(package: Path) -> None:
    assert _version(package) == code_version(MODULE)


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("edge/conversion/convert_job.py", True),
        ("edge/conversion/checkpoint.py", True),
        ("edge/conversion/templates/Modelfile.jinja", True),
        ("edge/measurement/report.py", False),
        ("foundation/metadata.py", False),
    ],
)
def test_a_change_counts_where_the_module_uses_it(package: Path, file: str, counts: bool) -> None:
    before = _version(package)
    with (package / file).open("a", encoding="utf-8") as stream:
        stream.write("# changed\n")
    assert (_version(package) != before) == counts


def test_a_name_that_is_no_module_is_refused() -> None:
    with pytest.raises(ValueError, match=r"fc_assets\.edge\.nothing is no module"):
        code_version("fc_assets.edge.nothing")
