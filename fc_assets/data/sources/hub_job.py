"""A data set of the hub as one Parquet file: `python -m fc_assets.data.sources.hub_job JOB.json`.

`datasets` does the work: it caches, resumes an interrupted download, and works offline once the cache is warm. This is
the only module of this room that imports it, so it runs in a process of its own. Rows are not looked at here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from fc_assets.data.jobs import HubDataset, HubDownloadJob, HubDownloadResult
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.jobs import Log, run_job


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
        raise _for_people(name, revision, error) from error
    rows = datasets.concatenate_datasets(parts)
    rows.to_parquet(str(dataset.file))
    log.info(f"{name}: {len(rows)} rows")
    return len(rows)


def _for_people(name: str, revision: str, error: Exception) -> FcAssetsError:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    causes = list(_chain(error))
    said = " ".join(str(cause) for cause in causes)
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    page = f"{endpoint}/datasets/{name}"
    status = next((cause.response.status_code for cause in causes if isinstance(cause, HfHubHTTPError)), None)
    if status == 403 or any(isinstance(cause, GatedRepoError) for cause in causes) or "gated" in said:
        if os.environ.get("HF_TOKEN"):
            return FcAssetsError(f"{name} is gated: accept its terms at {page} with the account of this HF_TOKEN")
        return FcAssetsError(f"{name} is gated: accept its terms at {page} and set HF_TOKEN to a token of that account")
    if status == 401:
        return FcAssetsError(f"The hub does not accept the token for {name}: set HF_TOKEN to a valid one ({page})")
    if status == 404 or "doesn't exist on the Hub" in said or "Couldn't find any data file" in said:
        return FcAssetsError(
            f"The hub has no data set {name} at revision {revision} that may be read; check data.dataset and "
            f"data.revision against {page}, and set HF_TOKEN if it is private"
        )
    if os.environ.get("HF_HUB_OFFLINE") or os.environ.get("HF_DATASETS_OFFLINE"):
        return FcAssetsError(
            f"{name} is not in the local cache and HF_HUB_OFFLINE forbids asking the hub; unset it once to download"
        )
    return FcAssetsError(
        f"{name} cannot be had from the hub ({type(error).__name__}: {str(error)[:200]}); check the connection and "
        "start again: what was downloaded is kept"
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


if __name__ == "__main__":
    run_job(HubDownloadJob, download)
