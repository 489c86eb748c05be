"""Runs whose process is gone: Dagster goes on calling them started, and keeps their place in a pool for ever.

Its default launcher cannot tell whether a run's worker lives, and a run that a command started has no launcher at all.
Here the worker is found by its process id: each run's first step tags it (`WORKER_TAG`); before that, the event with
which Dagster starts a run has the id. Where a launcher asks after its workers itself (containers, Kubernetes), nothing
is done here. `sensors` asks every half minute; a demo asks when it starts, and while it waits for a place. How long a
step's own process lives is `child_processes.parent_watch`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dagster as dg
import psutil

WORKER_TAG = "fc_assets/worker"
"""On every run: the process that works on it, as `host pid started`; `started` is in clock ticks since the boot."""

_UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_BLOCKED = "blocked by limit for pool"
_LOOK_AGAIN_S = 1.0
_CLOCKS_DIFFER_S = 60.0
"""So much may a process seem younger than the event that it wrote: the clock may have been set meanwhile."""


@dataclass(frozen=True)
class DeadRun:
    """A run that was ended here, because the process `pid` that worked on it is gone."""

    run_id: str
    job: str
    pid: int


def worker_tag() -> dict[str, str]:
    """The tag that says which process works on this run: the one that started this step's, or this one itself."""
    parent = multiprocessing.parent_process()
    pid = parent.pid if parent is not None and parent.pid else os.getpid()
    return {WORKER_TAG: f"{platform.node()} {pid} {_started(pid)}"}


def end_dead_runs(instance: dg.DagsterInstance) -> list[DeadRun]:
    """Mark every run whose process is gone as failed, give its places in the pools back, and return these runs.

    A run is left alone where it cannot be known: its launcher asks after its workers itself, another host works on it,
    or no event names its process yet. A place in a pool whose run has ended, or was deleted, is given back as well.
    """
    if instance.run_launcher.supports_check_run_worker_health:
        return []
    dead = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNFINISHED)):
        pid = _gone(instance, run)
        # Read again: it may have ended in order since the list was made.
        now = instance.get_run_by_id(run.run_id) if pid is not None else None
        if pid is not None and now is not None and not now.is_finished:
            instance.report_run_failed(run, f"The process {pid}, which worked on this run, is gone: it was killed.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            dead.append(DeadRun(run.run_id, run.job_name, pid))
    _free_places_of_ended_runs(instance)
    return dead


def wait_for_place(
    instance: dg.DagsterInstance, event: dg.DagsterEvent, run_id: str, say: Callable[[str], None]
) -> None:
    """Wait until the step of the event "blocked by limit for pool" has its place, saying who has it now.

    To be called by the main thread, within the event's own handler: Dagster would wait after it, but in a loop that
    takes a whole core and hears no signal. INT and TERM raise KeyboardInterrupt here, which ends the run in order.
    Returns at once for any other event.
    """
    pool = blocking_pool(event)
    if pool is None or event.step_key is None:
        return
    said: list[str] = []
    with _ended_by_signals():
        while _is_pending(instance, pool, run_id, event.step_key):
            for dead in end_dead_runs(instance):
                say(f"run {dead.run_id[:8]} was killed (its process {dead.pid} is gone): its place is free again")
            now = list(_holders(instance, pool))
            if now and now != said:
                say(f"{event.step_key} waits for a place in pool {pool}, which {', '.join(now)} has; Ctrl-C ends this")
                said = now
            time.sleep(_LOOK_AGAIN_S)


def blocking_pool(event: dg.DagsterEvent) -> str | None:
    """The pool in which the event's step found no place; None for an event that says nothing like that."""
    if event.event_type is not dg.DagsterEventType.ENGINE_EVENT or _BLOCKED not in (event.message or ""):
        return None
    pool = event.engine_event_data.metadata.get("pool")
    return str(pool.value) if pool is not None else None


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_pending(instance: dg.DagsterInstance, pool: str, run_id: str, step: str) -> bool:
    """Whether the step stands in the queue for a place, and none has been given to it."""
    queue = instance.event_log_storage.get_concurrency_info(pool).pending_steps
    return any(each.run_id == run_id and each.step_key == step and each.assigned_timestamp is None for each in queue)


def _holders(instance: dg.DagsterInstance, pool: str) -> Iterator[str]:
    """Who has the places in `pool`: a step, its run, and the process where it is known, in words for people."""
    for slot in instance.event_log_storage.get_concurrency_info(pool).claimed_slots:
        run = instance.get_run_by_id(slot.run_id)
        worker = run.tags.get(WORKER_TAG, "").split() if run else []
        process = f", process {worker[1]} on {worker[0]}" if len(worker) == 3 else ""
        yield f"{slot.step_key} of run {slot.run_id[:8]}{process}"


def _free_places_of_ended_runs(instance: dg.DagsterInstance) -> None:
    storage = instance.event_log_storage
    for run_id in storage.get_concurrency_run_ids():
        run = instance.get_run_by_id(run_id)
        if run is None or (run.is_finished and _gone(instance, run) is not None):
            storage.free_concurrency_slots_for_run(run_id)


def _gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> int | None:
    """The id of the run's process where that process is certainly gone, else None."""
    tagged = run.tags.get(WORKER_TAG, "").split()
    if len(tagged) == 3:
        host, pid, started = tagged[0], int(tagged[1]), tagged[2]
        return pid if host == platform.node() and _started(pid) != started else None
    events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_START)
    for entry in events:
        if entry.dagster_event and entry.dagster_event.pid:
            pid = entry.dagster_event.pid
            return None if _is_older(pid, entry.timestamp) else pid
    return None


def _started(pid: int) -> str:
    """When the process began, in clock ticks since the boot, which no setting of the clock changes; empty if it ended.

    psutil gives the time of day, which changes when the clock is set.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _is_older(pid: int, moment: float) -> bool:
    """Whether the process lives and began before `moment`, in seconds since 1970: else its number was given again."""
    try:
        return bool(_started(pid)) and psutil.Process(pid).create_time() <= moment + _CLOCKS_DIFFER_S
    except psutil.NoSuchProcess:
        return False
