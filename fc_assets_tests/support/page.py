"""Dagster's page as people see it: `dagster dev` on a free port, and Chromium in front of it.

Used by the browser tests and by `scripts.take_screenshots`. What is looked for in the page is theirs.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fc_assets_tests.support.graph import ROOT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WIDTH, HEIGHT = 1440, 900
"""Pixels of a common laptop's window."""
PATIENCE_S = 60
"""Longest wait for anything on the page; what is there earlier is taken at once."""


def why_no_browser() -> str:
    """What is missing on this machine; empty where nothing is."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed: pip install 'fc-assets[browser]'"
    return "" if CHROMIUM else "there is no Chromium on PATH: install your distribution's package chromium"


@contextmanager
def dagster_dev(instance: Path, home: Path, log: Path) -> Iterator[str]:
    """The page of these homes, with the daemon that starts runs; yields its address and ends all its processes."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "DAGSTER_HOME": str(instance), "FC_ASSETS_HOME": str(home), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True)
        try:
            yield _once_it_answers(f"http://127.0.0.1:{port}", server, log)
        finally:
            os.killpg(server.pid, signal.SIGINT)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def _once_it_answers(url: str, server: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + 2 * PATIENCE_S
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/server_info", timeout=5).close()
            return url
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"dagster dev does not answer: {log.read_text()[-2000:]}")


@contextmanager
def chromium(url: str) -> Iterator[Any]:
    """A page of playwright's whose addresses are relative to `url`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = browser.new_page(base_url=url, viewport={"width": WIDTH, "height": HEIGHT})
            page.set_default_timeout(PATIENCE_S * 1000)
            yield page
        finally:
            browser.close()
