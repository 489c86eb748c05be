"""`fc-assets play` as a process: it opens, says what is missing, and however it ends its servers are gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from fc_assets import cli
from fc_assets.foundation.artifacts import ArtifactStore
from fc_assets.names import BASE_MODEL, EVAL_REPORT, MODEL_FOLDER, REPORT_HTML
from fc_assets.profiles import EMBEDDED
from fc_assets_tests.playground.conftest import PLAY, playing, publish

STAND_IN = """
import os, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])  # as vLLM has an engine
class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'{"data": []}')
    def log_message(self, *_): pass
time.sleep(float(sys.argv[2]))
HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
"""Stands for vLLM; its arguments are a port, and how many seconds it takes to be ready."""
PLAY_WITH_STAND_IN = """
import sys
from fc_assets.serving import server
server._command = lambda model, settings, name, port, key: ([sys.executable, {program!r}, str(port), {delay!r}], {{}})
"""


def states(url: str) -> dict[str, str]:
    with urllib.request.urlopen(f"{url}/api/state", timeout=10) as response:
        return {player["name"]: player["state"] for player in json.load(response)}


def until_state(url: str, wanted: str) -> None:
    deadline = time.monotonic() + 20
    while states(url)["base"] != wanted:
        assert time.monotonic() < deadline, states(url)
        time.sleep(0.05)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        signal.SIGHUP,
    ],
)
def test_it_opens_says_what_is_missing_and_ends_in_order(
    store: ArtifactStore, profile_file: Path, number: signal.Signals
) -> None:
    with playing(store.home, profile=str(profile_file)) as (process, url):
        until_state(url, "ready")
        process.send_signal(number)
        said, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and "Ending the servers" in said
    assert errors.strip() == "GGUF is not there yet: materialise gguf_artifacts."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "delay", "state"),
    [
        (signal.SIGINT, "0", "ready"),
        (signal.SIGHUP, "0", "ready"),
        (signal.SIGKILL, "0", "ready"),
        (signal.SIGTERM, "60", "starting"),
        (signal.SIGKILL, "60", "starting"),
    ],
)
def test_however_it_ends_its_servers_are_gone(tmp_path: Path, number: signal.Signals, delay: str, state: str) -> None:
    store = ArtifactStore(tmp_path / "home")
    publish(store, BASE_MODEL, lambda out: shutil.copytree(EMBEDDED, out / MODEL_FOLDER))
    program = tmp_path / "stand_in.py"
    program.write_text(STAND_IN)
    with playing(store.home, PLAY_WITH_STAND_IN.format(program=str(program), delay=delay)) as (process, url):
        until_state(url, state)
        family = psutil.Process(process.pid).children(recursive=True)
        while len(family) < 3:  # supervisor, server, engine
            time.sleep(0.05)
            family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        assert process.wait(20) == (0 if number != signal.SIGKILL else -signal.SIGKILL)
        _, left = psutil.wait_procs(family, timeout=20)
    assert left == []


def test_the_report_is_the_page_of_the_latest_run(store: ArtifactStore, profile_file: Path) -> None:
    report = store.newest(EVAL_REPORT)
    assert report
    for number, run in enumerate(("later", "earlier")):
        page = store.record_folder(EVAL_REPORT, report.digest, run) / REPORT_HTML
        page.parent.mkdir(parents=True)
        page.write_text(f"<p>of the {run} run</p>")
        os.utime(page, (1_000_000 - number, 1_000_000 - number))
    with (
        playing(store.home, profile=str(profile_file)) as (_, url),
        urllib.request.urlopen(f"{url}/report", timeout=10) as response,
    ):
        assert response.read() == b"<p>of the later run</p>"


def test_a_used_port_is_said_with_what_to_do(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FC_ASSETS_HOME", str(store.home))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-c", PLAY.replace("'0'", f"'{port}'")], capture_output=True, text=True, timeout=30
        )
    assert done.returncode == 1
    assert f"error: port {port} of this machine cannot be used" in done.stderr and f"--port {port + 1}" in done.stderr


def test_without_a_model_it_says_what_to_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FC_ASSETS_HOME", str(tmp_path / "nothing"))
    assert cli.main(["play", "--profile", "demo"]) == 1
    assert "materialise base_model first" in capsys.readouterr().err
