"""What answers in the gateway: a model behind an OpenAI-compatible endpoint, or a GGUF file run in this process.

A policy is given messages and tools and returns its raw text; what the text means is read by `calls.parse`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from fc_assets.calls.call import Tool
from fc_assets.errors import FcAssetsError
from fc_assets.evaluation.answer_forms import answer_of
from fc_assets.serving.chat import chat_request
from fc_assets.serving.endpoint import Endpoint

Messages = Sequence[Mapping[str, Any]]
_CHAT = "/v1/chat/completions"


class Policy(Protocol):
    """Answers a conversation with the text that the model writes. Raises `FcAssetsError` where it cannot."""

    def answer(self, messages: Messages, tools: Sequence[Tool], timeout_s: float) -> str: ...


class EndpointPolicy:
    """A served model. Its calls are read out of its text, or out of `tool_calls` where the server has parsed them."""

    def __init__(self, endpoint: Endpoint, max_tokens: int) -> None:
        self._endpoint, self._max_tokens = endpoint, max_tokens

    def answer(self, messages: Messages, tools: Sequence[Tool], timeout_s: float) -> str:
        """Its text. Raises `FcAssetsError` in one sentence when the server fails, or says what is no answer."""
        body = chat_request(self._endpoint.model, messages, tools, max_tokens=self._max_tokens, tool_choice="none")
        try:
            text = answer_of(self._endpoint.post(_CHAT, body, timeout_s))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise FcAssetsError(f"The model at {self._endpoint.base_url} gave no answer ({error})") from error
        if text is None:
            raise FcAssetsError(f"The model at {self._endpoint.base_url} answered without a message")
        return text


class GgufPolicy:
    """A GGUF file, loaded by llama.cpp. Raises `FcAssetsError` when it cannot be."""

    def __init__(self, file: Path, *, context: int, threads: int, max_tokens: int) -> None:
        from fc_assets.edge.measurement.llama_model import LlamaModel  # llama.cpp is loaded with it

        if not file.is_file():
            raise FcAssetsError(f"There is no GGUF file {file}; correct --gguf")
        self._model, self._max_tokens = LlamaModel(file, context=context, threads=threads), max_tokens

    def answer(self, messages: Messages, tools: Sequence[Tool], timeout_s: float) -> str:
        """Its text; llama.cpp ends with `max_tokens`, not with the time."""
        return self._model.answer(self._model.render(messages, tools), self._max_tokens).text
