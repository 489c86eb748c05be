"""The rules of docs/architecture.md that no linter knows: names, sizes, and what stands where."""

import ast
import importlib
import inspect
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import fc_assets
from fc_assets import names
from fc_assets.foundation.child_processes.jobs import Job
from fc_assets_tests.support.graph import ROOT

PACKAGE = Path(fc_assets.__file__).parent
MODULES = sorted(file for file in PACKAGE.rglob("*.py") if not file.is_symlink())
TESTS = sorted((ROOT / "fc_assets_tests").rglob("*.py"))
MAX_LINES = 400
PURE_DATA = {"catalogue.py"}
STANDS_ALONE = {"fetch_release.py"}
"""Runs where the package is not installed; its test runs it against what the package writes."""
MAX_MODULES = 14
"""Of one folder; a room with more has sub-folders by subject."""
ORDINARY_WORDS = {
    names.BASE,
    names.SFT,
    names.GRPO,
    names.DPO,
    names.CHAMPION,
    names.MODEL_FOLDER,
    names.ADAPTER_FOLDER,
}
ORDINARY_WORDS |= {names.TOKENIZER_FOLDER, names.MODEL_CARD, names.GGUF_README}
"""Names that are also words of their own: the profile's sections, keys of a job, a repository's README."""


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)


def shared_names() -> dict[str, str]:
    """Every string that `names` gives a constant: assets and files."""
    return {
        value: constant
        for constant, value in vars(names).items()
        if constant.isupper() and isinstance(value, str) and value not in ORDINARY_WORDS
    }


def strings_in_code(file: Path) -> Iterator[tuple[int, str]]:
    """String constants with their line, docstrings left out."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_a_shared_name_is_spelt_in_one_place() -> None:
    known = shared_names()
    found = [
        f"{module_name(file)}:{line} spells {text!r}: use names.{known[text]}"
        for file in MODULES
        if file.name != "names.py" and file.name not in STANDS_ALONE
        if file.parent.name != "profiles"  # a section may be called as its asset
        for line, text in strings_in_code(file)
        if text in known
    ]
    assert found == []


def test_no_class_name_stands_twice() -> None:
    found = Counter(node.name for file in MODULES for node in ast.walk(tree(file)) if isinstance(node, ast.ClassDef))
    assert [name for name, count in found.items() if count > 1] == []


def test_no_module_is_called_like_one_of_the_standard_library() -> None:
    assert [str(file) for file in MODULES if file.stem in sys.stdlib_module_names] == []


@pytest.mark.parametrize("file", MODULES, ids=module_name)
def test_a_module_says_what_belongs_in_it_and_is_short(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)) or not text.strip(), "no docstring"
    assert len(text.splitlines()) <= MAX_LINES or file.name in PURE_DATA


def test_no_folder_is_a_heap() -> None:
    folders = Counter(file.parent for file in MODULES if file.name != "__init__.py")
    assert {str(folder): count for folder, count in folders.items() if count > MAX_MODULES} == {}


def job_classes() -> list[type[Job]]:
    found = []
    for file in MODULES:
        if file.name == "jobs.py" and file.parent.name != "foundation":
            module = importlib.import_module(module_name(file))
            members = [member for _, member in inspect.getmembers(module, inspect.isclass)]
            found += [member for member in members if issubclass(member, Job) and "module" in vars(member)]
    return found


def test_each_child_process_has_its_job() -> None:
    """Each `*_job.py` runs the job class that names it, and no class names a module that is not there."""
    by_module = {job.module: job.__name__ for job in job_classes()}
    files = {module_name(file): file for file in MODULES if file.stem.endswith("_job")}
    assert set(by_module) == set(files)
    for module, file in files.items():
        assert f"run_job({by_module[module]}, " in file.read_text(encoding="utf-8"), module


def test_tests_share_helpers_and_not_each_other() -> None:
    found = []
    for file in TESTS:
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.ImportFrom) and node.module:
                parts = node.module.split(".")
                if parts[0] == "benchmarks" or (parts[0] == "fc_assets_tests" and parts[-1].startswith("test_")):
                    found.append(f"{file.relative_to(ROOT)} imports {node.module}")
    assert found == []
