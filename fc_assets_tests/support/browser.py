"""A page in headless Chromium, for tests of what a person sees; skips, saying why, where there is no browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

CHROMIUM = "/usr/bin/chromium"
"""Debian's; elsewhere the first of the PATH."""


@contextmanager
def browser_page() -> Iterator[Any]:
    """A `playwright.sync_api.Page` of 1440 x 1000 pixels; `page.asked` collects the addresses that it asks for, and
    `page.errors` what its scripts raise or its policy refuses."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    chromium = shutil.which(CHROMIUM) or shutil.which("chromium")
    if not chromium:
        pytest.skip("there is no Chromium on this machine: apt-get install chromium")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.asked, page.errors = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda said: page.errors.append(said.text) if said.type == "error" else None)
        yield page
        browser.close()
