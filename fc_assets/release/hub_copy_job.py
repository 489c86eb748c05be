"""A release's copy on a model hub: `python -m fc_assets.release.hub_copy_job JOB.json`.

`huggingface_hub` does the work: it uploads what the repository lacks and makes one commit of it, in a process of its
own. Whether a release may exist, and what is in it, is not decided here; a push that fails changes nothing of either.
"""

from __future__ import annotations

from pathlib import Path

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.child_processes.jobs import Log, run_job
from fc_assets.foundation.hub import TOKEN_VARIABLE, HubRequest, hub_error
from fc_assets.foundation.hub import token as hub_token
from fc_assets.names import CHECKSUMS, MODEL_CARD, MODEL_FOLDER, MODEL_INFO, RELEASE_RECORD, TOOLS
from fc_assets.release.jobs import HubCopyJob, HubCopyResult

RECORDS = (MODEL_CARD, RELEASE_RECORD, MODEL_INFO, TOOLS)
"""What goes along with the checkpoint. The canary questions do not: they are rows of the data, for deployments only."""

_KEPT = {".gitattributes"}  # the hub's own


def push(job: HubCopyJob, log: Log) -> HubCopyResult:
    """Make the repository hold exactly this release.

    Raises `FcAssetsError` saying what to do; its text never holds the token.
    """
    token, repository = hub_token(), job.hub.repository
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
        raise hub_error(error, HubRequest("repository", repository, "hub.repository")) from None


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


if __name__ == "__main__":
    run_job(HubCopyJob, push)
