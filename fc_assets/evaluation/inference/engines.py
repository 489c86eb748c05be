"""What answers questions: a server, or transformers in a process of its own where vLLM does not run.

Both answer greedily from the same renderer's prompts and keep each finished answer in the same log, so that a caller
need not know which it is. How a server is asked is `client`, how transformers generates is `generate_job`; starting a
server is `serving.server`.
"""

from __future__ import annotations

import urllib.error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answers import Answer, Question, RequestSettings, ShowProgress, answer_log
from fc_assets.evaluation.jobs import GenerateJob, PromptIdsJob, RunJob
from fc_assets.profiles import ServerSettings
from fc_assets.serving.chat import conversation
from fc_assets.serving.endpoint import Endpoint

TokenIds = Mapping[str, Sequence[int]]
"""Token ids of prompts, by the question's id."""

VLLM, TRANSFORMERS = "vllm", "transformers"
"""The values of `evaluation.engine`."""

EXTERNAL = "external server"
"""What the records call a server that was not started here."""

_LOADING = {"device", "dtype", "max_model_len"}


def identity_of(server: ServerSettings, engine: str) -> dict[str, Any]:
    """What can change an answer of the engine that these settings describe; known before it is started.

    Of an external server only where it is: the other settings are of servers that are started here.
    """
    if engine == TRANSFORMERS:
        return {"engine": engine, **server.model_dump(mode="json", include=_LOADING)}
    if server.api_url:
        return {"engine": EXTERNAL, "api_url": server.api_url}
    return {"engine": engine, **server.model_dump(mode="json", exclude={"port", "start_timeout_s", "api_url"})}


class NoTokenIdsError(Exception):
    """This engine cannot say which token ids it feeds the model."""


class Engine(Protocol):
    """One model that answers questions."""

    @property
    def info(self) -> Mapping[str, Any]:
        """What answered, for the record: engine, version, device, model_digest and how it was set up. No times.

        `model_digest` is empty for an external server, and `claim` says by what name it claims to serve the model.
        """

    @property
    def server_start_s(self) -> float | None:
        """Seconds until the server that was started for it was ready; None where none was."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Of that set-up, what can change an answer: an interrupted attempt is resumed while it stays equal."""

    @property
    def constrains(self) -> bool:
        """Whether it can force calls that satisfy the tools' schemas."""

    def ask(
        self, questions: Sequence[Question], settings: RequestSettings, folder: Path, show_progress: ShowProgress
    ) -> list[Answer]:
        """One answer for each question, in order; those in the answer log in `folder` are not asked again."""

    def prompt_ids(self, questions: Sequence[Question]) -> TokenIds:
        """The ids that the model is fed. Raises `NoTokenIdsError` where the engine does not say."""

    def text_of(self, ids: Sequence[int]) -> str:
        """The text of these ids."""


@dataclass(frozen=True)
class ServedModel:
    """A model behind an OpenAI-compatible server, started here or external. `settings` describe the server."""

    endpoint: Endpoint
    settings: ServerSettings
    constrains = True

    @property
    def info(self) -> Mapping[str, Any]:
        """The server's own account."""
        record = self.endpoint.info.record()
        del record["start_s"]
        return {"engine": EXTERNAL if self.settings.api_url else VLLM, **record}

    @property
    def server_start_s(self) -> float | None:
        """Seconds until it was healthy; None for an external one."""
        return None if self.settings.api_url else self.endpoint.info.start_s

    @property
    def identity(self) -> Mapping[str, Any]:
        """The server's settings but for those that only say where and how patiently."""
        return identity_of(self.settings, VLLM)

    def ask(
        self, questions: Sequence[Question], settings: RequestSettings, folder: Path, show_progress: ShowProgress
    ) -> list[Answer]:
        """Ask the server."""
        from fc_assets.evaluation.inference.client import ask  # brings aiohttp, which the definitions can do without

        with answer_log(folder) as log:
            return ask(self.endpoint, questions, settings, log, show_progress)

    def prompt_ids(self, questions: Sequence[Question]) -> TokenIds:
        """What the server's `/tokenize` builds, thinking off; only vLLM has it."""
        return {question.id: self._served_ids(question) for question in questions}

    def text_of(self, ids: Sequence[int]) -> str:
        """By the server's `/detokenize`."""
        return str(self._post("/detokenize", {"tokens": list(ids)}).get("prompt"))

    def _served_ids(self, question: Question) -> list[int]:
        body = {**conversation(question.messages, question.tools), "add_generation_prompt": True}
        tokens = self._post("/tokenize", body).get("tokens")
        if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
            raise FcAssetsError(f"/tokenize of {self.endpoint.base_url} answered no list of token ids")
        return tokens

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        base_url = self.endpoint.base_url
        try:
            return self.endpoint.post(path, {"model": self.endpoint.model, **body})
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise NoTokenIdsError(f"the server at {base_url} has no {path}") from error
            reason = error.read()[:300].decode("utf-8", "replace")
            raise FcAssetsError(f"{path} of {base_url} answered HTTP {error.code}: {reason}") from error
        except (OSError, ValueError) as error:
            raise FcAssetsError(f"{path} of {base_url} cannot be had: {error}") from error


@dataclass(frozen=True)
class LocalModel:
    """A checkpoint that transformers loads, in a process of its own for each set of questions.

    `run_job` does its jobs, with `scratch` for their files. Of `settings`, the server's section, device, dtype and
    max_model_len count.
    """

    checkpoint: Path
    settings: ServerSettings
    batch_size: int
    model_digest: str
    run_job: RunJob
    scratch: Path
    constrains = False
    server_start_s = None

    def __post_init__(self) -> None:
        if self.settings.api_url:
            raise FcAssetsError(
                "evaluation.engine is transformers, but server.api_url names a server: empty server.api_url, or set "
                "evaluation.engine to vllm to ask that server"
            )

    @property
    def info(self) -> Mapping[str, Any]:
        """Engine, versions and set-up."""
        return {
            **self.identity,
            "version": version("transformers"),
            "torch": version("torch"),
            "batch_size": self.batch_size,
            "model_digest": self.model_digest,
            "constrained_decoding": "not available in this engine",
        }

    @property
    def identity(self) -> Mapping[str, Any]:
        """The batch size is no part of it: a lower one after running out of memory keeps the finished answers."""
        return identity_of(self.settings, TRANSFORMERS)

    def ask(
        self, questions: Sequence[Question], settings: RequestSettings, folder: Path, show_progress: ShowProgress
    ) -> list[Answer]:
        """Generate; progress reaches the run's log from the process itself."""
        if not questions:
            return []
        if settings.decode != "free":
            raise FcAssetsError("The engine transformers cannot force calls: set evaluation.engine to vllm for that")
        job = GenerateJob(
            model=self.checkpoint,
            device=self.settings.device,
            dtype=self.settings.dtype,
            max_model_len=self.settings.max_model_len,
            questions=tuple(questions),
            folder=folder,
            max_tokens=settings.max_tokens,
            batch_size=self.batch_size,
        )
        return list(self.run_job(job, self.scratch).answers)

    def prompt_ids(self, questions: Sequence[Question]) -> TokenIds:
        """By the very function that prompts are encoded with for an answer."""
        if not questions:
            return {}
        job = PromptIdsJob(model=self.checkpoint, questions=tuple(questions))
        encoded = self.run_job(job, self.scratch).ids
        return {question.id: ids for question, ids in zip(questions, encoded, strict=True)}

    def text_of(self, ids: Sequence[int]) -> str:
        """By the checkpoint's tokenizer."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer  # imports in a moment, unlike transformers

        return Tokenizer.from_file(str(self.checkpoint / "tokenizer.json"))
