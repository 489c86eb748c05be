"""Dagster's own daemon, on an instance of its own: it hears of a run that somebody starts from a shell."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fc_assets.notifications.sending import URLS_VARIABLE
from fc_assets_tests.support.graph import ROOT
from fc_assets_tests.support.receivers import SECRET, Receiver, webhook

SECONDS = 120


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with webhook() as hook:
        yield hook


def program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def wait_for(log: Path, text: str) -> None:
    deadline = time.monotonic() + SECONDS
    while text not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.5)


@pytest.mark.slow
def test_a_run_from_a_shell_that_fails_is_reported(tmp_path: Path, hook: Receiver) -> None:
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    env = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
        "DAGSTER_HOME": str(tmp_path),
        "FC_ASSETS_HOME": str(tmp_path / "artifacts"),
        "FC_PROFILE": "demo",
        URLS_VARIABLE: f"{hook.url}\nnothing://{SECRET}",
    }
    log = tmp_path / "daemon.log"
    with log.open("w") as out:
        argv = [program("dagster-daemon"), "run", "--workspace", str(ROOT / "workspace.yaml")]
        daemon = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        wait_for(log, "Initiating notify_run_failed")
        argv = [program("dagster"), "asset", "materialize", "--select", "lora_adapter", "-m", "fc_assets.definitions"]
        run = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True)
        assert run.returncode == 1
        wait_for(log, f"Address 2 in {URLS_VARIABLE} is none that apprise can use")
    finally:
        daemon.terminate()
        daemon.wait(60)
    (message,) = hook.received
    assert message.title == "fc_assets: run failed: lora_adapter"
    assert "base_model has not been materialised yet; materialise it first" in message.text
    assert SECRET not in log.read_text() + run.stdout + run.stderr
