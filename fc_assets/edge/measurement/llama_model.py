"""A GGUF file loaded by llama.cpp in this process: what it makes of text, and its greedy answers with their latencies.

It imports neither torch nor transformers, so that the process's peak memory is the file's. What the measurements are
compared with is in `measure_file_job` and `report`.
"""

from __future__ import annotations

import json
import math
import time
import urllib.error
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xllamacpp

from fc_assets.calls.call import Tool
from fc_assets.edge.jobs import Completion
from fc_assets.errors import FcAssetsError
from fc_assets.serving.chat import chat_request, conversation
from fc_assets.serving.endpoint import Endpoint

LIKELIEST = 64
"""How many tokens' probabilities are asked for: of a trained model they leave less than a thousandth to all others."""


class LlamaModel:
    """A GGUF file loaded by llama.cpp in this process. `load_s` is how many seconds that took.

    With `adapter`, the GGUF file of a LoRA, that one is applied. Raises `FcAssetsError` when llama.cpp cannot load one.
    """

    def __init__(self, file: Path, *, context: int, threads: int, adapter: Path | None = None) -> None:
        for each in (file, adapter) if adapter else (file,):
            _refuse_what_is_no_gguf(each)
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(file)
        parameters.n_ctx = context
        parameters.n_parallel = 1
        parameters.n_gpu_layers = 0
        parameters.fit_params = False
        parameters.ui = False
        parameters.use_jinja = True  # tools in chat requests, and calls read out of answers
        parameters.verbosity = 1  # errors only
        parameters.cpuparams.n_threads = threads
        parameters.cpuparams_batch.n_threads = threads
        if adapter:
            parameters.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
        started = time.monotonic()
        try:
            self._server = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise FcAssetsError(f"llama.cpp could not load {file} ({error}); its reason is in the log above") from error
        self.load_s = time.monotonic() - started
        self._endpoint = Endpoint(self._server.listening_address, model=file.stem)

    def tokenise(self, text: str) -> list[int]:
        """The ids that llama.cpp gives `text`."""
        body = {"content": text, "add_special": True, "parse_special": True}
        return [int(token) for token in self._post("/tokenize", body)["tokens"]]

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool]) -> str:
        """The prompt, thinking off, that llama.cpp makes of the template in the file."""
        return str(self._post("/apply-template", conversation(messages, tools))["prompt"])

    def answer(self, prompt: str, max_tokens: int) -> Completion:
        """Complete `prompt` greedily, read anew. Raises `FcAssetsError` when it does not fit into the context."""
        request = {"prompt": prompt, "max_tokens": max_tokens, "temperature": 0, "cache_prompt": False, "stream": True}
        chunks = self._timed(self._server.handle_completions, request)
        seconds, last = chunks[-1]
        if "usage" not in last:
            raise FcAssetsError(f"llama.cpp did not finish an answer, it said: {json.dumps(last)}")
        return Completion(
            text="".join(chunk["choices"][0]["text"] for _, chunk in chunks),
            prompt_tokens=last["usage"]["prompt_tokens"],
            output_tokens=last["usage"]["completion_tokens"],
            first_token_s=chunks[0][0],
            seconds=seconds,
            finish_reason=last["choices"][0]["finish_reason"],
        )

    def constrained(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Tool], max_tokens: int) -> str:
        """The greedy answer in which a grammar holds every call that is begun to its tool's schema.

        This is what llama.cpp's server does with tools. Whether there is a call at all stays with the model.
        """
        body = chat_request("", messages, tools, max_tokens=max_tokens, tool_choice="auto")
        message = self._post("/v1/chat/completions", {**body, "parallel_tool_calls": True})["choices"][0]["message"]
        functions = [call["function"] for call in message.get("tool_calls") or ()]
        if not functions:
            return str(message["content"] or "")
        return "\n".join(_block(each["name"], each["arguments"] or "{}") for each in functions)

    def next_token(self, ids: Sequence[int]) -> dict[int, float]:
        """The probabilities of the `LIKELIEST` likeliest tokens after these, by id."""
        # llama.cpp tells no probabilities beside an end of turn or a part of a character, so it has to choose an "a".
        # What it tells is from before that choice.
        chosen = {"n_predict": 1, "temperature": 0, "grammar": 'root ::= "a"'}
        body = {"prompt": list(ids), "n_probs": LIKELIEST, **chosen}
        (found,) = self._post("/completion", body)["completion_probabilities"]
        return {int(each["id"]): math.exp(each["logprob"]) for each in found["top_logprobs"]}

    def stream(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The chunks of a streamed `/v1/chat/completions`: llama.cpp reads the calls out of the answer itself."""
        return [chunk for _, chunk in self._timed(self._server.handle_chat_completions, {**request, "stream": True})]

    def _timed(self, handle: Callable[..., None], request: Mapping[str, Any]) -> list[tuple[float, dict[str, Any]]]:
        """Each chunk of the answer, and the seconds since the request at which it came."""
        chunks: list[tuple[float, dict[str, Any]]] = []
        started = time.monotonic()
        # An exception in this callback would be lost, so it only collects.
        handle(request, lambda chunk: chunks.append((time.monotonic() - started, chunk)))
        return chunks

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._endpoint.post(path, body)
        except urllib.error.HTTPError as error:
            raise FcAssetsError(f"llama.cpp refused {path}: {error.read().decode('utf-8', 'replace')}") from error
        except (OSError, ValueError) as error:
            raise FcAssetsError(f"llama.cpp did not answer {path}: {error}") from error


def _block(name: str, arguments: str) -> str:
    """A call as the model writes it; the arguments of an answer that was cut are no JSON, and stay so."""
    return f'<tool_call>\n{{"name": {json.dumps(name)}, "arguments": {arguments}}}\n</tool_call>'


def _refuse_what_is_no_gguf(file: Path) -> None:
    try:
        with file.open("rb") as opened:
            magic = opened.read(4)
    except OSError as error:
        raise FcAssetsError(f"{file} cannot be read ({error.strerror}); name a GGUF file") from error
    if magic != b"GGUF":
        raise FcAssetsError(f"{file} is no GGUF file: it does not begin with GGUF; copy it again, or make it again")
