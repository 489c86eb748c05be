"""KILL, TERM and INT of step, trainer, supervisor and worker at seeded moments: the next run heals what is left."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest

from fc_assets.foundation.artifacts import ArtifactStore, read_manifest
from fc_assets.foundation.gpu import GPU_POOL
from fc_assets.foundation.resources import latest_artifact
from fc_assets_tests.faults import killed_graph
from fc_assets_tests.faults.counting_job import CountJob
from fc_assets_tests.support.graph import ROOT

pytestmark = pytest.mark.faults

SEED = int(os.environ.get("FC_FAULTS_SEED", "0"))
KILLS = 25
"""For each seed, so that the four shards of CI are a hundred."""
TOTAL = sum(range(killed_graph.STEPS))


class Site:
    """A home, an instance and a temporary folder of their own."""

    run_takes_s: float

    def __init__(self, folder: Path) -> None:
        self.home, self.dagster, self.tmp = (folder / name for name in ("home", "dagster", "tmp"))
        for made in (self.home, self.dagster, self.tmp):
            made.mkdir()
        shutil.copy(ROOT / "dagster.yaml", self.dagster)

    def start(self) -> subprocess.Popen[bytes]:
        """A run's worker in a session of its own."""
        env = {
            **os.environ,
            "FC_ASSETS_HOME": str(self.home),
            "DAGSTER_HOME": str(self.dagster),
            "TMPDIR": str(self.tmp),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", killed_graph.__name__]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=env, start_new_session=True, cwd=ROOT, **quiet)

    def family(self) -> list[psutil.Process]:
        """Every process that works for this home."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("FC_ASSETS_HOME") == str(self.home):
                    found.append(process)
            except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One whose first run was left alone, to know how long a run takes."""
    site, began = Site(tmp_path_factory.mktemp("killed")), time.monotonic()
    assert site.start().wait(240) == 0
    site.run_takes_s = time.monotonic() - began
    return site


def role(process: psutil.Process) -> str:
    """What a process of the family is, by its command line."""
    try:
        line = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return "gone"
    if "processes.py" in line:
        return "supervisor"
    if CountJob.module in line:
        return "trainer"
    return "worker" if killed_graph.__name__ in line else "step"


def wait_until_gone(site: Site, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while left := site.family():
        assert time.monotonic() < deadline, [(role(each), each) for each in left]
        time.sleep(0.1)


@pytest.mark.parametrize("number", range(KILLS))
def test_after_any_kill_the_next_run_heals_everything(site: Site, number: int) -> None:
    chance = random.Random(SEED * 1000 + number)
    moment = site.run_takes_s * chance.uniform(0.1, 1)
    sent = chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    wanted = chance.choice(["worker", "step", "trainer", "supervisor", "all"])
    worker = site.start()
    began = time.monotonic()
    while worker.poll() is None and time.monotonic() - began < 2 * site.run_takes_s:
        victims = [each for each in site.family() if wanted in (role(each), "all")]
        if time.monotonic() - began >= moment and victims:
            for each in victims:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.send_signal(sent)
            break
        time.sleep(0.01)
    try:
        worker.wait(240)
    except subprocess.TimeoutExpired:
        worker.kill()
        raise
    wait_until_gone(site)
    if number % 3 == 0:
        shutil.rmtree(site.home / "staging", ignore_errors=True)
    healed = site.start()
    assert healed.wait(240) == 0, f"{wanted} was sent {sent.name} after {moment:.2f} s"
    wait_until_gone(site)
    assert_whole(site)


def assert_whole(site: Site) -> None:
    """Artefacts whole, lineage true, the curve complete, the place free, no folder left."""
    store = ArtifactStore(site.home)
    with dg.DagsterInstance.from_config(str(site.dagster)) as instance:
        found = {name: latest_artifact(instance, store, dg.AssetKey(name)) for name in killed_graph.NAMES}
        assert found["second"].inputs == {"first": found["first"].digest}
        for name, artifact in found.items():
            assert (artifact.path / "file0").read_bytes().startswith(f"{name} {TOTAL} 0".encode())
        for folder in (site.home / "artifacts").glob("*/*"):
            digest = read_manifest(folder, folder.parent.name)["digest"]
            assert store.open(folder.parent.name, digest).digest == digest
        pool = instance.event_log_storage.get_concurrency_info(GPU_POOL)
        assert pool.claimed_slots == []
        unfinished = [run for run in instance.get_runs(limit=50) if not run.is_finished]
        assert unfinished == []
    assert list(store.staging().iterdir()) == []
    assert list(site.tmp.glob("fc_assets.*")) == []
