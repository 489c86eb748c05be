"""The documentation site: each page has its place, its links are those of the site, nothing comes from the network."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from fc_assets_tests.support.graph import ROOT

HOOKS = SimpleNamespace(**runpy.run_path(str(ROOT / "scripts" / "site_hooks.py")))
NAVIGATION = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]


def places(entry: Any) -> list[str]:
    """The pages that a part of the navigation names."""
    if isinstance(entry, str):
        return [entry]
    parts = entry.values() if isinstance(entry, dict) else entry
    return [page for part in parts for page in places(part)]


def test_every_page_has_one_place_in_the_navigation() -> None:
    docs = ROOT / "docs"
    pages = [str(page.relative_to(docs)) for page in docs.rglob("*.md")]
    assert sorted(places(NAVIGATION)) == sorted([*pages, *HOOKS.OUTSIDE.values()])


@pytest.mark.parametrize(
    ("page", "written", "in_the_site"),
    [
        ("howto/deploy.md", "[the night](../../deploy/README.md#woken)", "[the night](../deploy.md#woken)"),
        ("deploy.md", "[messages](../README.md#notifications)", "[messages](index.md)"),
        ("contributing.md", "[built](docs/architecture.md)", "[built](architecture.md)"),
        ("architecture.md", "[`fc_assets`](../fc_assets)", "`fc_assets`"),
        ("gpu.md", "[the sums](../fc_assets/foundation/planning)", "the sums (`fc_assets/foundation/planning`)"),
        ("faq.md", "[a](https://example.org/x) [b](#b)", "[a](https://example.org/x) [b](#b)"),
    ],
)
def test_links_lead_to_pages_of_the_site_or_name_the_file(page: str, written: str, in_the_site: str) -> None:
    assert HOOKS.with_links_of_the_site(written, page) == in_the_site


@pytest.mark.parametrize(
    ("html", "loads"),
    [
        ('<script src="https://cdn.example/x.js"></script>', True),
        ("<link rel=stylesheet href=https://fonts.example/css>", True),
        ('<img alt="a" src="//example.org/a.png">', True),
        ('<a href="https://example.org">a</a><script src="assets/x.js"></script>', False),
    ],
)
def test_a_page_that_loads_from_the_network_is_found(html: str, loads: bool, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(html)
    assert HOOKS.pages_that_load_from_the_network(tmp_path) == (["page.html"] if loads else [])
