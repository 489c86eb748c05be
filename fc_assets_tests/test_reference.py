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
    elsewhere = {"degenerate_policies", "profile_fields", "command_helps"}  # in docs/metrics.md and docs/reference/
    assert [name for name, table in tables.items() if table not in text and name not in elsewhere] == []
    assert [name for name in ASSETS if f"\n| `{name}` | " not in tables["assets"]] == []


def test_only_the_gated_reward_pays_junk_under_the_right_names_no_more_than_being_read(tables: dict[str, str]) -> None:
    rows = [line.strip("| ").split(" | ") for line in tables["degenerate_policies"].splitlines()[2:]]
    earned = {what: (float(by_sum), float(gated)) for what, by_sum, gated in rows}
    junk = [what for what in earned if "junk of the right types" in what]
    assert len(junk) == 3 and all(earned[what][0] > 0.5 and earned[what][1] == 0.25 for what in junk)
    assert earned["the right calls"] == (1.0, 1.0)
    assert all(gated <= by_sum for by_sum, gated in earned.values())


def test_what_is_on_or_off_is_told_apart(tables: dict[str, str]) -> None:
    rows = [[cell.strip() for cell in line.split(" | ")] for line in tables["automation"].splitlines()[2:]]
    assert {row[0].strip("| `"): row[3] for row in rows} == {
        "end_dead_runs": "on",
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
