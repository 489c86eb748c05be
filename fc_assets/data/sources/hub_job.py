"""A data set of the hub as one Parquet file: `python -m fc_assets.data.sources.hub_job JOB.json`.

`datasets` does the work: it caches, resumes an interrupted download, and works offline once the cache is warm. The only
module of this room that imports it, so it runs in a process of its own. Rows are not looked at here.

Job: datasets ([{"dataset", "revision", "configs" (empty: the default one), "out" (Parquet path)}]), result (path).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fc_assets.foundation.hub import HubRequest, hub_error
from fc_assets.foundation.jobs import Job, Log, run_child


def download(job: Job, log: Log) -> Mapping[str, Any]:
    """Fetch every data set of the job and write its training rows; returns {data set: rows}."""
    return {wanted["dataset"]: fetch(wanted, log) for wanted in job["datasets"]}


def fetch(wanted: Mapping[str, Any], log: Log) -> int:
    """Write one data set to its `out` file and return the number of rows.

    Raises `FcAssetsError` for a gated, unknown, unreachable or damaged data set, saying what to do.
    """
    import datasets

    datasets.disable_progress_bars()
    name, revision = wanted["dataset"], wanted["revision"]
    log.info(f"asking the hub for {name} at {revision}; an interrupted download resumes where it stopped")
    try:
        configs = wanted["configs"] or [None]
        parts = [datasets.load_dataset(name, config, revision=revision, split="train") for config in configs]
    except Exception as error:  # datasets raises its own, the hub's, fsspec's and requests' errors
        wanted_there = HubRequest("data set", name, "data.dataset and data.revision", revision)
        raise hub_error(error, wanted_there) from error
    rows = datasets.concatenate_datasets(parts)
    rows.to_parquet(str(Path(wanted["out"])))
    log.info(f"{name}: {len(rows)} rows")
    return len(rows)


if __name__ == "__main__":
    run_child(download)
