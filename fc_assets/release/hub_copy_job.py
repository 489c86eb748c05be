"""A release's copy on a model hub: `python -m fc_assets.release.hub_copy_job JOB.json`.

`huggingface_hub` does the work: it uploads what the repository lacks and makes one commit of it. The only module of
this room that imports it, so it runs in a process of its own. Whether a release may exist, and what is in it, is not
decided here; a push that fails changes nothing of either.

Job: release (folder of the artefact), digest, repository, private, result (path). The token is `$HF_TOKEN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fc_assets.errors import FcAssetsError
from fc_assets.foundation.hub import TOKEN_VARIABLE, HubRequest, hub_error
from fc_assets.foundation.hub import token as hub_token
from fc_assets.foundation.jobs import Job, Log, run_child
from fc_assets.release.package import CARD, MODEL, MODEL_INFO, RECORD, SUMS, TOOLS

RECORDS = (CARD, RECORD, MODEL_INFO, TOOLS)
"""What goes along with the checkpoint. The canary questions do not: they are rows of the data, for deployments only."""

_KEPT = {".gitattributes"}  # the hub's own


def push(job: Job, log: Log) -> Mapping[str, Any]:
    """Make the repository hold exactly this release; returns the commit's URL and whether anything had to change.

    Raises `FcAssetsError` saying what to do; its text never holds the token.
    """
    token, repository = hub_token(), job["repository"]
    if not token:
        raise FcAssetsError(
            f"hub.repository is {repository}, but {TOKEN_VARIABLE} is not set: set it to a token that may write there"
        )
    try:
        return _push(Path(job["release"]), job["digest"], repository, job["private"], token, log)
    except FcAssetsError:
        raise
    except Exception as error:  # huggingface_hub raises its own errors, httpx's, OSError, ValueError and RuntimeError
        # Without its cause: what a person reads, and Dagster stores, is the sentence.
        raise hub_error(error, HubRequest("repository", repository, "hub.repository")) from None


def files_of(release: Path) -> dict[str, Path | bytes]:
    """The repository's content: the checkpoint at the top, where every library looks for it, the records beside it."""
    checkpoint = sorted(path for path in (release / MODEL).rglob("*") if path.is_file())
    origins = {
        path.relative_to(release / MODEL).as_posix(): path.relative_to(release).as_posix() for path in checkpoint
    }
    origins |= {name: name for name in RECORDS}
    lines = (release / SUMS).read_text(encoding="utf-8").splitlines()
    digests = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    sums = "".join(f"{digests[origin]}  {name}\n" for name, origin in sorted(origins.items()))
    return {**{name: release / origin for name, origin in origins.items()}, SUMS: sums.encode()}


def _push(release: Path, digest: str, repository: str, private: bool, token: str, log: Log) -> dict[str, Any]:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

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
    files = files_of(release)
    stale = {each.rfilename for each in found.siblings or []} - set(files) - _KEPT
    commit = api.create_commit(
        repository,
        [
            *(CommitOperationAdd(name, content) for name, content in files.items()),
            *(CommitOperationDelete(name) for name in sorted(stale)),
        ],
        commit_message=f"Release {digest}",
    )
    log.info(f"{repository} holds release {digest[:16]}: {commit.commit_url}")
    return {"commit_url": commit.commit_url, "changed": commit.oid != found.sha}


if __name__ == "__main__":
    run_child(push)
