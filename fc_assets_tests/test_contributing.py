"""CONTRIBUTING.md and the pages beside it are true: files and names exist, examples are Python, links lead to files."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import fc_assets

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES: dict[str, str] = dict(part.split("\n", 1) for part in GUIDE.split("\n### ")[1:])
LISTED = [
    (title, path, note)
    for title, body in EXAMPLES.items()
    for path, note in re.findall(r"^- `([^`]+)`: (.+)$", body, re.MULTILINE)
]
PAGES = (
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "README.md",
    "README.zh-CN.md",
    "deploy/README.md",
    "docs/architecture.md",
    "docs/metrics.md",
    "docs/reference.md",
    "docs/reliability.md",
)


def _text(path: Path) -> str:
    """The text of a file, or of all Python files in a folder."""
    return "\n".join(file.read_text(encoding="utf-8") for file in ([path] if path.is_file() else path.glob("*.py")))


def test_the_changes_that_people_make_most_have_an_example() -> None:
    things = ("an asset", "a check", "a metric", "a reward", "a source of data", "a profile field")
    assert list(EXAMPLES) == [f"Add {thing}" for thing in things]
    assert {title for title, _, _ in LISTED} == set(EXAMPLES)


@pytest.mark.parametrize(("title", "path", "note"), LISTED, ids=[f"{title}: {path}" for title, path, _ in LISTED])
def test_each_listed_file_exists_and_holds_the_names_beside_it(title: str, path: str, note: str) -> None:
    assert (ROOT / path).exists(), f"{title} names {path}, which is not there"
    text = _text(ROOT / path)
    missing = [name for name in re.findall(r"`([^`]+)`", note) if name not in text]
    assert not missing, f"{title} says that {path} holds {missing}"


@pytest.mark.parametrize("title", EXAMPLES)
def test_each_example_is_python(title: str) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", EXAMPLES[title], re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        ast.parse(block)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert [link for link in links if link and not (ROOT / page).parent.joinpath(link).exists()] == []


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == fc_assets.__version__


def test_the_commit_hooks_run_tools_that_set_up_installs() -> None:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = {re.split(r"[<>=]", entry)[0] for entry in project["optional-dependencies"]["dev"]}
    tools = {"lint-imports": "import-linter"}
    for hook in repo["hooks"]:
        program = hook["entry"].split()[0]
        assert program.startswith(".venv/bin/"), hook["entry"]
        name = Path(program).name
        assert tools.get(name, name) in packages, f"{name} is not among the packages of the extra `dev`"
        assert hook["language"] == "system"
