"""A data set of the hub as one Parquet file: `python -m fc_assets.data.sources.hub_job JOB.json`.

`datasets` does the work: it caches, resumes an interrupted download, and works offline once the cache is warm. This is
the only module of this room that imports it, so it runs in a process of its own. Rows are not looked at here.
"""

from __future__ import annotations

from fc_assets.data.jobs import HubDataset, HubDownloadJob, HubDownloadResult
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.foundation.hub import HubRequest, hub_error


def download(job: HubDownloadJob, log: Log) -> HubDownloadResult:
    """Write the training rows of every data set of the job."""
    return HubDownloadResult(rows={dataset.name: download_rows(dataset, log) for dataset in job.datasets})


def download_rows(dataset: HubDataset, log: Log) -> int:
    """Write the training rows of one data set to its file and return how many there are.

    Raises `FcAssetsError` for a gated, unknown, unreachable or damaged data set, saying what to do.
    """
    import datasets

    datasets.disable_progress_bars()
    name, revision = dataset.name, dataset.revision
    log.info(f"asking the hub for {name} at {revision}; an interrupted download resumes where it stopped")
    try:
        configs = dataset.configs or (None,)
        parts = [datasets.load_dataset(name, config, revision=revision, split="train") for config in configs]
    except Exception as error:  # datasets raises its own, the hub's, fsspec's and requests' errors
        wanted_there = HubRequest("data set", name, "data.dataset and data.revision", revision)
        raise hub_error(error, wanted_there) from error
    rows = datasets.concatenate_datasets(parts)
    rows.to_parquet(str(dataset.file))
    log.info(f"{name}: {len(rows)} rows")
    return len(rows)


if __name__ == "__main__":
    run_job(HubDownloadJob, download)
