"""A release's copy on a model hub: `python -m fc_assets.release.hub_copy_job JOB.json`.

`huggingface_hub` does the work: it uploads what the repository lacks and makes one commit of it, in a process of its
own. Whether a release may exist, and what is in it, is not decided here; a push that fails changes nothing of either.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.jobs import Log, run_job
from fc_assets.names import CHECKSUMS, MODEL_CARD, MODEL_FOLDER, MODEL_INFO, RELEASE_RECORD, TOOLS
from fc_assets.release.jobs import HubCopyJob, HubCopyResult

TOKEN_VARIABLE = "HF_TOKEN"
RECORDS = (MODEL_CARD, RELEASE_RECORD, MODEL_INFO, TOOLS)
"""What goes along with the checkpoint. The canary questions do not: they are rows of the data, for deployments only."""

_KEPT = {".gitattributes"}  # the hub's own


def push(job: HubCopyJob, log: Log) -> HubCopyResult:
    """Make the repository hold exactly this release.

    Raises `FcAssetsError` saying what to do; its text never holds the token.
    """
    token, repository = os.environ.get(TOKEN_VARIABLE, "").strip(), job.hub.repository
    if not token:
        raise FcAssetsError(
            f"hub.repository is {repository}, but {TOKEN_VARIABLE} is not set: set it to a token that may write there"
        )
    try:
        return _push(job, token, log)
    except FcAssetsError:
        raise
    except Exception as error:  # huggingface_hub raises its own errors, httpx's, OSError, ValueError and RuntimeError
        # Without its cause: what a person reads, and Dagster stores, is the sentence.
        raise FcAssetsError(_for_people(repository, error).replace(token, "***")) from None


def files_of(release: Path) -> dict[str, Path | bytes]:
    """The repository's content: the checkpoint at the top, where every library looks for it, the records beside it."""
    checkpoint = sorted(path for path in (release / MODEL_FOLDER).rglob("*") if path.is_file())
    origins = {
        path.relative_to(release / MODEL_FOLDER).as_posix(): path.relative_to(release).as_posix() for path in checkpoint
    }
    origins |= {name: name for name in RECORDS}
    lines = (release / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    digests = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    sums = "".join(f"{digests[origin]}  {name}\n" for name, origin in sorted(origins.items()))
    return {**{name: release / origin for name, origin in origins.items()}, CHECKSUMS: sums.encode()}


def _push(job: HubCopyJob, token: str, log: Log) -> HubCopyResult:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    repository, private = job.hub.repository, job.hub.private
    api = HfApi(token=token)
    try:
        found = api.model_info(repository)
    except RepositoryNotFoundError:
        log.info(f"making the repository {repository}, {'private' if private else 'public'}")
        api.create_repo(repository, private=private, exist_ok=True)
        found = api.model_info(repository)
    if private and not found.private:
        raise FcAssetsError(
            f"{repository} is public, and hub.private is true: make it private on its settings page, or set "
            "hub.private to false"
        )
    files = files_of(job.release)
    stale = {each.rfilename for each in found.siblings or []} - set(files) - _KEPT
    commit = api.create_commit(
        repository,
        [
            *(CommitOperationAdd(name, content) for name, content in files.items()),
            *(CommitOperationDelete(name) for name in sorted(stale)),
        ],
        commit_message=f"Release {job.digest}",
    )
    log.info(f"{repository} holds release {job.digest[:16]}: {commit.commit_url}")
    return HubCopyResult(commit_url=str(commit.commit_url), changed=commit.oid != found.sha)


def _for_people(repository: str, error: Exception) -> str:
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    causes = list(_chain(error))
    status = next((cause.response.status_code for cause in causes if isinstance(cause, HfHubHTTPError)), None)
    if any(isinstance(cause, OfflineModeIsEnabled) for cause in causes):
        return f"HF_HUB_OFFLINE forbids asking the hub for {repository}: unset it to push"
    if status == 401:
        return f"The hub does not accept the token for {repository}: set {TOKEN_VARIABLE} to a valid one"
    if status == 403:
        return (
            f"The token may not write to {repository}: give the one in {TOKEN_VARIABLE} write access, or name another "
            "hub.repository"
        )
    if status is not None:
        return f"The hub answered {status} for {repository} ({_short(error)}): correct what it says, or wait"
    if isinstance(error, ValueError):
        return f"The push to {repository} was refused before it began ({_short(error)}): correct what it says"
    return f"The hub could not be asked for {repository}, or broke off ({_short(causes[-1])}): check the connection"


def _short(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


if __name__ == "__main__":
    run_job(HubCopyJob, push)
