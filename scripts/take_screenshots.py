"""The pictures of the README and the site, from a real run: `python -m scripts.take_screenshots DAGSTER_HOME HOME`.

`DAGSTER_HOME` and `HOME` are those of a finished `make demo`; both are copied first, and not changed. Needs the extra
`browser` and a Chromium. Pictures have few colours, so that all together stay under a megabyte.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from fc_assets_tests.support.graph import ROOT
from fc_assets_tests.support.page import HEIGHT, WIDTH, chromium, dagster_dev, why_no_browser

IMAGES = ROOT / "docs" / "images"
COLOURS = 64
SETTLE_MS = 6000
"""Until tables and pictures have been drawn."""
HEADLINE_PX = 430
"""How far the report's page is scrolled, for its table to be whole."""


def main(arguments: list[str]) -> int:
    if missing := why_no_browser():
        raise SystemExit(f"error: {missing}")
    if len(arguments) != 2:
        raise SystemExit("error: name the DAGSTER_HOME and the artefact home of a finished demo")
    with tempfile.TemporaryDirectory() as folder:
        instance, home = (shutil.copytree(path, Path(folder, name)) for path, name in zip(arguments, "ih", strict=True))
        with dagster_dev(instance, home, Path(folder, "dev.log")) as url, chromium(url) as page:
            take(page)
    return 0


def take(page: Any) -> None:
    page.set_viewport_size({"width": 1900, "height": 1480})
    page.goto("/asset-groups")
    page.get_by_text("Materialize all").wait_for()
    page.locator("input[placeholder^='Jump']").locator("xpath=following::button[1]").click()  # hides the list beside it
    settle(page)
    page.keyboard.press("Alt+KeyE")  # opens all groups
    settle(page)
    save(page, "lineage")
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.goto("/assets/eval_report")
    page.locator("table table").first.wait_for()
    page.locator("table table").first.scroll_into_view_if_needed()
    page.mouse.move(600, 600)
    page.mouse.wheel(0, HEADLINE_PX)
    settle(page)
    save(page, "eval-report")
    page.get_by_text("Show Markdown").first.click()
    settle(page)
    save(page, "metrics")
    page.goto("/assets/eval_report?view=checks")
    page.get_by_text("grpo_parse_rate", exact=True).first.click()
    settle(page)
    save(page, "gate")


def settle(page: Any) -> None:
    page.wait_for_timeout(SETTLE_MS)


def save(page: Any, name: str) -> None:
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
