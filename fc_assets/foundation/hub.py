"""Talking to a Hugging Face hub: one download, and one translator of whatever goes wrong into a sentence for people.

`huggingface_hub`, `datasets` and the HTTP library below them raise errors of many classes, several at once; which of
them it was does not matter to a person, but what to do does. `huggingface_hub` is imported when it is needed. What is
downloaded or pushed is decided in the rooms.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fc_assets.errors import FcAssetsError

TOKEN_VARIABLE = "HF_TOKEN"
_ENDPOINT_VARIABLE = "HF_ENDPOINT"
_PUBLIC_HUB = "https://huggingface.co"
_DATASETS_OFFLINE_VARIABLE = "HF_DATASETS_OFFLINE"
_MAX_CAUSE_CHARS = 300

# How `datasets` says it where it raises an error of its own, in some cases without the hub's error as the cause.
_GATED_WORDS = "is a gated dataset"
_MISSING_WORDS = ("doesn't exist on the Hub", "Couldn't find any data file")


@dataclass(frozen=True)
class HubRequest:
    """What the hub was asked for. A model or data set is read, a repository is written to.

    `settings` are the profile's fields to correct when the hub does not have it; `alternative` is what to do instead of
    asking the hub, if anything.
    """

    kind: Literal["model", "data set", "repository"]
    name: str
    settings: str
    revision: str = "main"
    alternative: str = ""

    @property
    def page(self) -> str:
        """The address at which a person sees it."""
        folder = "datasets/" if self.kind == "data set" else ""
        return f"{os.environ.get(_ENDPOINT_VARIABLE) or _PUBLIC_HUB}/{folder}{self.name}"


def token() -> str:
    """The token that authorises requests, `$HF_TOKEN`; empty if there is none."""
    return os.environ.get(TOKEN_VARIABLE, "").strip()


def checkpoint_on_hub(model: str, revision: str) -> HubRequest:
    """A checkpoint that `base_model` names, as the hub is asked for it."""
    return HubRequest(
        "model",
        model,
        "base_model.model and base_model.revision",
        revision,
        alternative="set base_model.source to folder and base_model.path to a checkpoint",
    )


def download_snapshot(request: HubRequest, patterns: Sequence[str]) -> Path:
    """The folder with the repository's files that match `patterns`, downloaded or from the local cache.

    Its name is the commit. An interrupted download resumes where it stopped. Raises `FcAssetsError`.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(request.name, revision=request.revision, allow_patterns=list(patterns)))
    except Exception as error:  # the hub's own errors, httpx's, OSError and ValueError
        raise hub_error(error, request) from None


def why_not_readable(request: HubRequest) -> str | None:
    """Why the hub would not let this machine's token read what `request` names, as a sentence; None where it would."""
    from huggingface_hub import HfApi

    kind = "dataset" if request.kind == "data set" else "model"
    try:
        HfApi(token=token() or None).auth_check(request.name, repo_type=kind)
    except Exception as error:  # the hub's own errors, httpx's, OSError
        return str(hub_error(error, request))
    return None


def hub_error(error: Exception, request: HubRequest) -> FcAssetsError:
    """`error` as one sentence that says what is wrong and what to do; it never holds the token."""
    causes = list(_causes(error))
    sentence = (_writing if request.kind == "repository" else _reading)(request, causes)
    return FcAssetsError(sentence.replace(token(), "***") if token() else sentence)


def _reading(request: HubRequest, causes: Sequence[BaseException]) -> str:
    from huggingface_hub import is_offline_mode
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    name, status = request.name, _status(causes)
    texts = " ".join(map(str, causes))
    if any(isinstance(cause, GatedRepoError) for cause in causes) or status == 403 or _GATED_WORDS in texts:
        if token():
            return f"{name} is gated: accept its terms at {request.page} with the account of this {TOKEN_VARIABLE}"
        return (
            f"{name} is gated: accept its terms at {request.page} and set {TOKEN_VARIABLE} to a token of that account"
        )
    # The hub answers 401 for what does not exist when it is asked without a token.
    missing = any(isinstance(cause, RepositoryNotFoundError) for cause in causes)
    if missing or status == 404 or any(words in texts for words in _MISSING_WORDS):
        return (
            f"The hub has no {request.kind} {name} at revision {request.revision} that may be read; check "
            f"{request.settings} against {request.page}, and set {TOKEN_VARIABLE} if it is private"
        )
    if status == 401:
        return _token_refused(request)
    otherwise = f", or {request.alternative}" if request.alternative else ""
    if is_offline_mode() or os.environ.get(_DATASETS_OFFLINE_VARIABLE):
        return (
            f"{name} is not in the local cache and HF_HUB_OFFLINE forbids asking the hub; unset it once to download"
            f"{otherwise}"
        )
    return (
        f"{name} cannot be had from the hub ({_short(causes[0])}); check the connection and start again: what was "
        f"downloaded is kept{otherwise}"
    )


def _writing(request: HubRequest, causes: Sequence[BaseException]) -> str:
    from huggingface_hub.errors import OfflineModeIsEnabled

    name, status = request.name, _status(causes)
    if any(isinstance(cause, OfflineModeIsEnabled) for cause in causes):
        return f"HF_HUB_OFFLINE forbids asking the hub for {name}: unset it to push"
    if status == 401:
        return _token_refused(request)
    if status == 403:
        return (
            f"The token may not write to {name}: give the one in {TOKEN_VARIABLE} write access, or name another "
            f"{request.settings}"
        )
    if status is not None:
        return f"The hub answered {status} for {name} ({_short(causes[0])}): correct what it says, or wait"
    if isinstance(causes[0], ValueError):
        return f"The push to {name} was refused before it began ({_short(causes[0])}): correct what it says"
    return f"The hub could not be asked for {name}, or broke off ({_short(causes[-1])}): check the connection"


def _token_refused(request: HubRequest) -> str:
    return f"The hub does not accept the token for {request.name}: set {TOKEN_VARIABLE} to a valid one ({request.page})"


def _status(causes: Sequence[BaseException]) -> int | None:
    """The HTTP status of the hub's answer, if it gave one."""
    from huggingface_hub.errors import HfHubHTTPError

    return next((cause.response.status_code for cause in causes if isinstance(cause, HfHubHTTPError)), None)


def _short(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:_MAX_CAUSE_CHARS]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it was raised from, up to the first cause."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__
