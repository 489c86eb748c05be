"""The tables of the documentation say what the definitions give."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from fc_assets_tests.support.graph import ASSETS, ROOT

SCRIPT = SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "write_reference.py")))


@pytest.fixture(scope="module")
def tables() -> dict[str, str]:
    return SCRIPT.tables()


@pytest.mark.parametrize("page", SCRIPT.PAGES)
def test_the_tables_of_a_page_are_those_of_the_definitions(page: str, tables: dict[str, str]) -> None:
    text = Path(ROOT, page).read_text(encoding="utf-8")
    assert text == SCRIPT.renewed(text, tables), f"{page} is behind the definitions: run `make docs` and commit it"


def test_the_reference_has_every_table(tables: dict[str, str]) -> None:
    text = Path(ROOT, "docs/reference.md").read_text(encoding="utf-8")
    assert [name for name, table in tables.items() if table not in text] == []
    assert [name for name in ASSETS if f"\n| `{name}` | " not in tables["assets"]] == []


def test_what_is_on_or_off_is_told_apart(tables: dict[str, str]) -> None:
    rows = [[cell.strip() for cell in line.split(" | ")] for line in tables["automation"].splitlines()[2:]]
    assert {row[0].strip("| `"): row[3] for row in rows} == {
        "promote": "on",
        "redeploy": "off",
        "watch_deployment": "off",
        "benchmark_full": "off",
        "benchmark_quick": "off",
        "notify_run_cancelled": "off",
        "notify_run_failed": "off",
        "notify_run_succeeded": "off",
    }


def test_a_table_that_was_changed_by_hand_is_renewed() -> None:
    page = "before\n<!-- table: jobs -->\n| old |\n<!-- /table -->\nafter\n"
    assert SCRIPT.renewed(page, {"jobs": "| new |\n"}) == page.replace("old", "new")
    with pytest.raises(SystemExit, match="there is no table 'jobs'"):
        SCRIPT.renewed(page, {"assets": ""})
