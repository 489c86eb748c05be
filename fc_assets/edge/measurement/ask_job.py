"""Loads one GGUF file with llama.cpp and asks it, measuring: `python -m fc_assets.edge.measurement.ask_job JOB.json`.

A process for each file, so that peak memory is that file's. It imports neither torch nor transformers. Answers are
greedy, one at a time, each prompt read anew. Whether an answer is right is judged by `report`.

Job: `model` (file), `prompts` (as `prompts` wrote them), `context`, `threads`, `max_tokens`. Result: an `Asked` record.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fc_assets.calls.prompts import wrap_tools
from fc_assets.errors import FcAssetsError
from fc_assets.foundation.jobs import Job, Log, run_child


@dataclass(frozen=True)
class Answer:
    """One answer. `same_ids`: llama.cpp cut the prompt into the ids of the checkpoint's tokenizer; `same_prompt`:
    llama.cpp renders the same prompt itself from the template in the file. Seconds are wall time."""

    id: str
    text: str
    prompt_tokens: int
    output_tokens: int
    first_token_s: float
    seconds: float
    finish_reason: str
    same_ids: bool
    same_prompt: bool


@dataclass(frozen=True)
class Asked:
    """What one file cost and said. `load_s` is until the model is ready and warm; `peak_rss_mb` is of the process."""

    load_s: float
    peak_rss_mb: float
    answers: list[Answer]


class Model:
    """A GGUF file loaded by llama.cpp in this process. `load_s` is how long that took."""

    def __init__(self, path: str, *, context: int, threads: int) -> None:
        import xllamacpp

        parameters = xllamacpp.CommonParams()
        parameters.model.path = path
        parameters.n_ctx = context
        parameters.n_parallel = 1
        parameters.n_gpu_layers = 0
        parameters.fit_params = False
        parameters.ui = False
        parameters.verbosity = 1  # errors only
        parameters.cpuparams.n_threads = threads
        parameters.cpuparams_batch.n_threads = threads
        started = time.monotonic()
        try:
            self._server = xllamacpp.Server(parameters)
        except RuntimeError as error:
            raise FcAssetsError(f"llama.cpp could not load {path} ({error}); its reason is in the log above") from error
        self.load_s = time.monotonic() - started
        # No proxy: the server listens on this machine's own address.
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def tokenise(self, text: str) -> list[int]:
        """The ids that llama.cpp gives `text`."""
        return self._post("/tokenize", {"content": text, "add_special": True, "parse_special": True})["tokens"]

    def render(self, messages: list[Mapping[str, Any]], tools: list[Mapping[str, Any]]) -> str:
        """The prompt, thinking off, that llama.cpp makes of the template in the file."""
        body: dict[str, Any] = {"messages": messages, "chat_template_kwargs": {"enable_thinking": False}}
        if tools:
            body["tools"] = wrap_tools(tools)
        return self._post("/apply-template", body)["prompt"]

    def answer(self, prompt: str, max_tokens: int) -> dict[str, Any]:
        """Complete `prompt` greedily: text, token counts, latencies, as `Answer` names them."""
        chunks: list[tuple[float, dict[str, Any]]] = []
        request = {
            "prompt": prompt,
            "max_tokens": max_tokens,
            "temperature": 0,
            "cache_prompt": False,
            "stream": True,
        }
        started = time.monotonic()
        # An exception in this callback would be lost, so it only collects.
        self._server.handle_completions(request, lambda chunk: chunks.append((time.monotonic() - started, chunk)))
        seconds, last = chunks[-1]
        if "usage" not in last:
            raise FcAssetsError(f"llama.cpp did not finish an answer, it said: {json.dumps(last)}")
        return {
            "text": "".join(chunk["choices"][0]["text"] for _, chunk in chunks),
            "prompt_tokens": last["usage"]["prompt_tokens"],
            "output_tokens": last["usage"]["completion_tokens"],
            "first_token_s": chunks[0][0],
            "seconds": seconds,
            "finish_reason": last["choices"][0]["finish_reason"],
        }

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            self._server.listening_address + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with self._open(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise FcAssetsError(f"llama.cpp refused {path}: {error.read().decode('utf-8', 'replace')}") from error


def ask(model: Model, prompts: list[Mapping[str, Any]], max_tokens: int) -> list[Answer]:
    """Put every prompt to the model, in order."""
    return [
        Answer(
            id=prompt["id"],
            same_ids=model.tokenise(prompt["prompt"]) == prompt["ids"],
            same_prompt=model.render(prompt["messages"], prompt["tools"]) == prompt["prompt"],
            **model.answer(prompt["prompt"], max_tokens),
        )
        for prompt in prompts
    ]


def _work(job: Job, log: Log) -> dict[str, Any]:
    model = Model(job["model"], context=job["context"], threads=job["threads"])
    log.info(f"{job['model']} ready after {model.load_s:.2f} s")
    answers = ask(model, job["prompts"], job["max_tokens"])
    return asdict(Asked(model.load_s, _peak_rss_mb(), answers))


def _peak_rss_mb() -> float:
    """This process's highest resident memory. getrusage would not do: its maximum survives exec, so it can be the
    parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kib) * 1024 / 1e6


if __name__ == "__main__":
    run_child(_work)
