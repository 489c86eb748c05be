"""A run whose process was killed blocks nothing: it is ended, its place is free, and who waits says for whom."""

import os
import platform
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from fc_assets.foundation.dead_runs import WORKER_TAG, end_dead_runs, worker_tag
from fc_assets.foundation.sensors import dead_runs
from fc_assets_tests.support.pool_runs import forked_run, kill, pool_instance, run_in_the_pool

LONG = 600.0
WAITS = "waits for a place in pool gpu"
ENDED_ON_REQUEST = 130


def read(file: Path) -> str:
    """What a run has printed until now."""
    return file.read_text() if file.is_file() else ""


def wait_until(holds: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: Dagster takes seconds to make a new one."""
    return tmp_path_factory.mktemp("dagster")


@pytest.fixture(scope="module")
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with pool_instance(home) as instance:
        yield instance


def started_run(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    run = instance.create_run_for_job(dg.GraphDefinition("any").to_job(), tags=tags)
    instance.report_dagster_event(dg.DagsterEvent("PIPELINE_START", "any"), run.run_id)
    return run


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def killed_run(home: Path, folder: Path) -> int:
    """The process id of a run that was killed while its step had the place."""
    with forked_run(home, folder / "sign", folder / "output", LONG) as pid:
        wait_until((folder / "sign").is_file)
        kill(pid)
    return pid


def test_a_killed_run_is_ended_and_its_place_is_free(home: Path, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """Known by Dagster's own event: it was killed before a step could tag it."""
    pid = killed_run(home, tmp_path)
    (run,) = instance.get_runs(limit=1)
    assert run.status is dg.DagsterRunStatus.STARTED
    (dead,) = end_dead_runs(instance)
    assert (dead.run_id, dead.job, dead.pid) == (run.run_id, "one_step", pid)
    assert status(instance, run.run_id) is dg.DagsterRunStatus.FAILURE
    run_in_the_pool(instance, tmp_path / "second", 0)
    assert (tmp_path / "second").read_text() == str(os.getpid())


def test_only_what_is_certainly_dead_is_ended(instance: dg.DagsterInstance) -> None:
    host = platform.node()
    elsewhere = started_run(instance, **{WORKER_TAG: "elsewhere 1 1"})
    unknown = started_run(instance)
    alive = started_run(instance, **worker_tag())
    other_process_of_that_number = started_run(instance, **{WORKER_TAG: f"{host} {os.getpid()} 1"})
    assert [dead.run_id for dead in end_dead_runs(instance)] == [other_process_of_that_number.run_id]
    for run in (elsewhere, unknown, alive):
        assert status(instance, run.run_id) is dg.DagsterRunStatus.STARTED
        instance.report_run_failed(run)


@pytest.mark.slow
def test_the_place_of_a_run_that_was_deleted_is_free(home: Path, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    killed_run(home, tmp_path)
    (run,) = instance.get_runs(limit=1)
    instance.run_storage.delete_run(run.run_id)
    assert end_dead_runs(instance) == []
    assert instance.event_log_storage.get_concurrency_info("gpu").claimed_slots == []


def test_the_sensor_ends_it_beside_a_daemon(home: Path, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    killed_run(home, tmp_path)
    with dg.build_sensor_context(instance=instance) as context:
        assert "one_step" in str(dead_runs(context).skip_message)
        assert dead_runs(context).skip_message == "No run is dead."


@pytest.mark.slow
def test_a_step_that_waits_says_for_whom_and_goes_on_once_that_one_is_killed(
    home: Path, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    with forked_run(home, tmp_path / "first", tmp_path / "output", LONG, tagged=True) as holder:
        wait_until((tmp_path / "first").is_file)
        with forked_run(home, tmp_path / "second", said, 0) as waiting:
            wait_until(lambda: WAITS in read(said))
            assert f"process {holder} on" in read(said)
            assert not (tmp_path / "second").exists()
            kill(holder)
            wait_until((tmp_path / "second").is_file)
            os.waitpid(waiting, 0)
    assert f"its process {holder} is gone" in read(said)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_int_and_term_end_a_demo_that_waits(
    home: Path, instance: dg.DagsterInstance, tmp_path: Path, number: int
) -> None:
    said = tmp_path / "said"
    with forked_run(home, tmp_path / "first", tmp_path / "output", LONG) as holder:
        wait_until((tmp_path / "first").is_file)
        with forked_run(home, tmp_path / "second", said, 0) as waiting:
            wait_until(lambda: WAITS in read(said))
            os.kill(waiting, number)
            _, ended = os.waitpid(waiting, 0)
        kill(holder)
    assert os.waitstatus_to_exitcode(ended) == ENDED_ON_REQUEST
    pool = instance.event_log_storage.get_concurrency_info("gpu")
    assert [step.run_id for step in pool.pending_steps] == [slot.run_id for slot in pool.claimed_slots]
    end_dead_runs(instance)
