"""The version of an asset's code changes with the code that does its work, and with nothing else."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from fc_assets.foundation import code_version as versions

PACKAGE = {
    "__init__.py": "",
    "names.py": "A = 'a'\n",
    "profiles/__init__.py": "X = 1\n",
    "foundation/__init__.py": "",
    "foundation/store.py": "S = 1\n",
    "calls/__init__.py": "",
    "calls/match.py": "from fc_assets.calls import numbers\n",
    "calls/numbers.py": "N = 1\n",
    "calls/unused.py": "U = 1\n",
    "data/__init__.py": "",
    "data/read.py": (
        "from fc_assets import names\n"
        "from fc_assets.foundation.store import S\n"
        "from fc_assets.profiles import X\n"
        "from fc_assets.calls import (  # what a call is\n    match as matching,\n)\n"
        "def late():\n    from fc_assets.data.late import L\n"
    ),
    "data/late.py": "import fc_assets.data.plain\nL = 1\n",
    "data/plain.py": "P = 1\n",
    "data/templates/page.html.j2": "<p>",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package in the place of this one."""
    folder = tmp_path / "fc_assets"
    for name, text in PACKAGE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setattr(versions, "_PACKAGE", folder)
    forget()
    yield folder
    forget()


def forget() -> None:
    for cached in (versions.code_version, versions._imported, versions._modules):
        cached.cache_clear()


def version(*modules: str) -> str:
    forget()
    return versions.code_version(*(modules or ("fc_assets.data.read",)))


@pytest.mark.parametrize(
    "changed",
    [
        "data/read.py",
        "calls/match.py",
        "calls/numbers.py",
        "data/late.py",
        "data/plain.py",
        "data/templates/page.html.j2",
    ],
    ids=["itself", "under another name", "by a further step", "inside a function", "by plain import", "a template"],
)
def test_what_does_the_work_changes_it(package: Path, changed: str) -> None:
    before = version()
    (package / changed).write_text(PACKAGE[changed] + "# a comment counts too: it is read as text\n")
    assert version() != before
    (package / changed).write_text(PACKAGE[changed])
    assert version() == before


@pytest.mark.parametrize("changed", ["calls/unused.py", "foundation/store.py", "profiles/__init__.py", "names.py"])
def test_what_every_room_stands_on_and_what_is_not_imported_does_not(package: Path, changed: str) -> None:
    before = version()
    (package / changed).write_text("CHANGED = 1\n")
    assert version() == before


def test_a_module_under_a_new_name_changes_it(package: Path) -> None:
    before = version("fc_assets.calls.unused")
    (package / "calls" / "unused.py").rename(package / "calls" / "used.py")
    assert version("fc_assets.calls.used") != before


def test_several_modules_count_together_in_any_order(package: Path) -> None:
    both = version("fc_assets.data.read", "fc_assets.calls.unused")
    assert both == version("fc_assets.calls.unused", "fc_assets.data.read") != version()


@pytest.mark.parametrize("name", ["fc_assets.calls.nothing", "fc_assets.nothing", "json"])
def test_a_name_that_is_no_module_is_an_error(package: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is no module of fc_assets"):
        version(name)


def test_an_import_of_a_module_that_is_not_there_is_an_error(package: Path) -> None:
    (package / "data" / "read.py").write_text("from fc_assets.calls.gone import G\n")
    with pytest.raises(ValueError, match=r"fc_assets\.calls\.gone is no module"):
        version()


def test_the_real_package_is_read_in_a_moment() -> None:
    start = time.process_time()
    found = version("fc_assets.data.assets", "fc_assets.training.assets", "fc_assets.evaluation.assets")
    assert time.process_time() - start < 0.5
    assert len(found) == 12 and int(found, 16) >= 0
