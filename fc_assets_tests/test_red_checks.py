"""No check is vacuous: for every check that the code location has, some test breaks its subject and sees it red.

Such a test says so with `@pytest.mark.sees_red("name", ...)`, names written out: they are read from the source, so that
nothing needs to run. What the tests do is theirs; here only a check without one is found.
"""

import ast
from collections.abc import Iterator

from fc_assets.definitions import build_defs
from fc_assets.profiles import load_profile, parse_profile
from fc_assets_tests.support.graph import ROOT

TESTS = ROOT / "fc_assets_tests"
MARK = "pytest.mark.sees_red"


def names_in(source: str) -> Iterator[str]:
    """The checks that the marks of a test module name. Raises ValueError for one that is not written out."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == MARK:
                for name in mark.args:
                    starred = isinstance(name, ast.Starred)
                    yield from ast.literal_eval(name.value) if starred else [ast.literal_eval(name)]


def seen_red() -> set[str]:
    return {name for file in TESTS.rglob("test_*.py") for name in names_in(file.read_text(encoding="utf-8"))}


def checks() -> set[str]:
    """The names of all checks. An arm's gates on its answers are those of grpo, by the same code."""
    values = load_profile("demo").model_dump()
    values["dpo"]["enabled"] = True
    values["data"]["own_tools"]["weight"] = 0.1
    keys = build_defs(parse_profile(values, "demo")).resolve_asset_graph().asset_check_keys
    return {key.name for key in keys if not key.name.startswith("dpo_")}


def test_every_check_has_a_test_that_sees_it_red() -> None:
    assert sorted(checks() - seen_red()) == [], "break its subject in a test, and mark that test with sees_red"


def test_every_mark_names_a_check_that_there_is() -> None:
    assert sorted(seen_red() - checks()) == []


def test_a_mark_is_found_by_its_names() -> None:
    source = '@pytest.mark.sees_red("a", *("b", "c"))\ndef test_it() -> None: ...\n'
    assert set(names_in(source)) == {"a", "b", "c"}
