"""Dagster's page in a real browser: what a newcomer and an operator look at first is there, and can be read."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from fc_assets_tests.support.page import HEIGHT, WIDTH

pytestmark = pytest.mark.browser

LOCATION = "fc_assets.definitions"
"""As `dagster dev` calls it, from pyproject.toml."""
GROUPS = {"data", "training", "evaluation", "release", "serving", "edge", "deployment"}


def test_the_lineage_shows_its_groups(page: Any) -> None:
    page.goto("/asset-groups")
    for group in GROUPS:
        page.get_by_text(group, exact=True).first.wait_for()
    assert page.get_by_text("Materialize all").count() == 1


def test_the_three_models_of_the_headline_table_are_inside_the_window(page: Any) -> None:
    page.goto("/assets/eval_report")
    table = page.locator("table table").first
    table.wait_for()
    headings = table.locator("th, thead td").filter(has_text="SFT+GRPO")
    box = headings.first.bounding_box()
    panel = page.get_by_text("Definition", exact=True).first.bounding_box()
    assert box["x"] + box["width"] <= panel["x"] <= WIDTH
    assert "parse rate" in table.inner_text()


def test_a_picture_is_inside_its_dialog(page: Any) -> None:
    page.goto("/assets/eval_report")
    page.get_by_text("Show Markdown").first.click()
    picture = page.locator("img[src^='data:image/png']").first
    picture.wait_for()
    box = picture.bounding_box()
    assert box["width"] > 400 and box["x"] >= 0 and box["x"] + box["width"] <= WIDTH
    assert page.evaluate("document.querySelector(\"img[src^='data:image/png']\").naturalWidth") >= box["width"]


def test_a_red_gate_is_seen_with_its_reason(page: Any) -> None:
    page.goto("/assets/eval_report?view=checks")
    page.get_by_text("grpo_parse_rate", exact=True).first.click()
    page.get_by_text("Failed", exact=False).first.wait_for()
    said = page.get_by_text("gates.grpo.parse_rate").first
    said.wait_for()
    assert said.bounding_box()["y"] < HEIGHT


def test_the_launchpad_refuses_a_choice_that_does_not_exist(page: Any) -> None:
    config = "resources: {profile: {config: {base_model: {source: attic}}}}"
    page.goto(f"/locations/{LOCATION}/jobs/train/playground/setup?config={quote(config)}")
    page.get_by_text("not in enum type BaseModelSettings_source got attic").first.wait_for()
    assert page.get_by_role("button", name="Launch Run").is_disabled()


def test_one_asset_is_materialised_from_the_page(page: Any) -> None:
    page.goto("/assets/xlam_raw")
    never = page.get_by_text("Never materialized")
    never.wait_for()
    page.locator("button", has_text="Materialize").first.click()
    never.wait_for(state="hidden")
    page.get_by_text("quarantine", exact=False).first.wait_for()


def test_sensors_and_schedules_are_listed(page: Any) -> None:
    page.goto("/automation")
    for name in ("promote", "redeploy", "end_dead_runs", "benchmark_quick", "benchmark_full"):
        page.get_by_text(name, exact=True).first.wait_for()
