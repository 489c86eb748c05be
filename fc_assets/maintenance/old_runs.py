"""Runs that Dagster's instance keeps for ever, and nobody needs: `dagster.yaml` can only prune the ticks of sensors.

Needed is a run that goes on, is young, recorded the latest materialisation of an asset or that of an artefact which the
store keeps, or judged the latest materialisation: a promotion asks for its verdict. Which artefacts are kept is decided
in `garbage`.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg

_PAGE = 500


@dataclass(frozen=True)
class OldRun:
    """A run that is not needed, and what its events and logs take on the disk, in bytes."""

    run_id: str
    files: tuple[Path, ...]
    bytes: int


def instance_in_use() -> dg.DagsterInstance:
    """The instance at `$DAGSTER_HOME`, to be closed by the caller."""
    return dg.DagsterInstance.get()


def old_runs(instance: dg.DagsterInstance, home: Path, *, before: datetime, kept: Collection[str]) -> list[OldRun]:
    """The runs that ended before that moment and are not needed; `kept` are the digests of the kept artefacts."""
    found, cursor = [], None
    while records := instance.get_run_records(limit=_PAGE, cursor=cursor):
        cursor = records[-1].dagster_run.run_id
        for record in records:
            run = record.dagster_run
            if run.is_finished and record.update_timestamp < before and not _is_needed(instance, run.run_id, kept):
                files = tuple(_files(instance, home, run.run_id))
                found.append(OldRun(run.run_id, files, sum(_size(file) for file in files)))
    return found


def delete_runs(instance: dg.DagsterInstance, runs: Iterable[OldRun]) -> int:
    """Delete these runs with their events and logs; return how many bytes that freed."""
    freed = 0
    for run in runs:
        instance.delete_run(run.run_id)
        for file in run.files:
            shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)
        freed += run.bytes
    return freed


def _is_needed(instance: dg.DagsterInstance, run_id: str, kept: Collection[str]) -> bool:
    made = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    if any(_made_what_is_kept(instance, entry, kept) for entry in made):
        return True
    judged = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    return any(_judged_the_latest(instance, entry) for entry in judged)


def _made_what_is_kept(instance: dg.DagsterInstance, entry: dg.EventLogEntry, kept: Collection[str]) -> bool:
    made = entry.asset_materialization
    if made is None:
        return False
    digest = made.metadata.get("sha256")
    latest = instance.get_latest_materialization_event(made.asset_key)
    return (digest is not None and digest.value in kept) or (latest is not None and latest.run_id == entry.run_id)


def _judged_the_latest(instance: dg.DagsterInstance, entry: dg.EventLogEntry) -> bool:
    evaluation = entry.dagster_event.asset_check_evaluation_data if entry.dagster_event else None
    if evaluation is None or evaluation.target_materialization_data is None:
        return False
    latest = instance.get_latest_materialization_event(evaluation.asset_key)
    return latest is not None and latest.run_id == evaluation.target_materialization_data.run_id


def _files(instance: dg.DagsterInstance, home: Path, run_id: str) -> Iterable[Path]:
    """What lies on the disk of one run alone: its events (SQLite keeps a file for each), its output, its logs."""
    root = Path(instance.root_directory)
    for file in (root / "history" / "runs" / f"{run_id}.db", root / "storage" / run_id, home / "logs" / run_id):
        if file.exists():
            yield file


def _size(path: Path) -> int:
    found = 0
    for file in path.rglob("*") if path.is_dir() else [path]:
        with contextlib.suppress(FileNotFoundError):
            found += file.stat().st_size
    return found
