"""docs/reliability.md is true as far as a machine can tell: every row is whole, and every test that it names exists."""

import ast
import re
from pathlib import Path

import pytest

from fc_assets_tests.support.graph import ROOT

TESTS = ROOT / "fc_assets_tests"
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|") and not line.startswith(("| fault |", "| ---"))
]
LEAST_ROWS = 40
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def functions_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_there_are_enough_rows_and_none_twice() -> None:
    assert len(ROWS) >= LEAST_ROWS
    assert len({row[0] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][:40])
def test_a_row_promises_something_and_names_a_test_that_exists(row: list[str]) -> None:
    fault, promised, _, shown = row
    assert fault and promised
    named = NAMED.findall(shown)
    assert named
    for file, name in named:
        assert name in functions_in(TESTS / file)
