"""Speed of evaluating: rows scored per second with every metric, time of the report's bootstrap, peak memory, and what
asking costs beside the server.

`python -m benchmarks.scoring` scores 6,000 generated rows for three variants of falling error. `rows_per_s` and
`rewards_per_s` are per second of one core; `bootstrap_s` is the whole estimate of all three variants, with strata and
paired tests, on the clock.

`client_*` is the evaluation's client, its answer log included, against a null server that answers at once; `floor_*` is
a bare aiohttp loop that posts the same bytes to it and reads the answers. Milliseconds are CPU time of this process, so
that the null server on another core does not count; the order is repeated and the best of each counts.
"""

from __future__ import annotations

import asyncio
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import aiohttp

from benchmarks._null_server import null_server
from benchmarks._results import write_result
from benchmarks._rows import rows_with_errors
from fc_assets.calls.rewards import rewards
from fc_assets.evaluation.answers import Question, RequestSettings, answer_log
from fc_assets.evaluation.inference.client import KEEP_ALIVE_S, ask, request_body
from fc_assets.evaluation.intervals import BOOTSTRAP_SAMPLES
from fc_assets.evaluation.report import comparison
from fc_assets.evaluation.scoring import ScoringRow, score_rows
from fc_assets.profiles import RewardWeights
from fc_assets.serving.endpoint import Endpoint

ROWS = 6_000
SEED = 42
REQUESTS = 2_000
ANSWER_TOKENS = 48
ROUNDS = 3
ASKING = RequestSettings(max_tokens=512, concurrency=32, timeout_s=60, retries=0, max_failed_share=0.0, seed=SEED)
WRONG_SHARES = {"base": 0.9, "sft": 0.3, "grpo": 0.2}


def client_figures(rows: Sequence[ScoringRow]) -> dict[str, float]:
    """What one request costs the evaluation's client, and what it costs at least."""
    questions = [Question(row.id, ({"role": "user", "content": row.context},), json.loads(row.tools)) for row in rows]
    own, floor = [], []
    with null_server(ANSWER_TOKENS, "--whole") as url:
        endpoint = Endpoint(url, "null", "")
        bodies = [json.dumps(request_body(endpoint.model, question, ASKING)).encode() for question in questions]
        for _ in range(ROUNDS):
            own.append(_timed(lambda: _ask(endpoint, questions)))
            floor.append(_timed(lambda: asyncio.run(_post(url, bodies))))
    return {
        "requests": float(len(questions)),
        **{f"client_{name}": value for name, value in _best(own, len(questions)).items()},
        **{f"floor_{name}": value for name, value in _best(floor, len(questions)).items()},
    }


def _ask(endpoint: Endpoint, questions: Sequence[Question]) -> None:
    with tempfile.TemporaryDirectory() as folder, answer_log(Path(folder)) as log:
        answers = ask(endpoint, questions, ASKING, log, print)
    if any(answer.completion_tokens != ANSWER_TOKENS for answer in answers):
        raise SystemExit("error: the null server's answers did not arrive")


async def _post(url: str, bodies: Sequence[bytes]) -> None:
    waiting = iter(bodies)
    connector = aiohttp.TCPConnector(limit=ASKING.concurrency, keepalive_timeout=KEEP_ALIVE_S)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as group:

        async def work(bodies: Iterator[bytes]) -> None:
            for body in bodies:
                async with http.post(f"{url}/v1/chat/completions", data=body, headers=headers) as response:
                    await response.read()

        for _ in range(ASKING.concurrency):
            group.create_task(work(waiting))


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds of this process, and seconds on the clock."""
    cpu, clock = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - clock


def _best(times: Sequence[tuple[float, float]], requests: int) -> dict[str, float]:
    return {
        "ms_per_request": round(min(cpu for cpu, _ in times) / requests * 1e3, 3),
        "requests_per_s": round(requests / min(clock for _, clock in times), 1),
    }


def main() -> None:
    """Measure and write `results/scoring.json`."""
    weights = RewardWeights().model_dump()
    variants = {variant: rows_with_errors(ROWS, share, SEED) for variant, share in WRONG_SHARES.items()}
    score_rows(next(iter(variants.values()))[:50], weights)  # imports and caches that a long run pays once
    start = time.process_time()  # one core's time: scoring runs on one, whatever else the machine does
    frames = {variant: score_rows(rows, weights) for variant, rows in variants.items()}
    scored_s = time.process_time() - start
    start = time.process_time()
    for row in variants["sft"]:
        rewards(row.text, row.tools, row.expected)
    rewards_s = time.process_time() - start
    start = time.perf_counter()
    comparison.estimate(frames, BOOTSTRAP_SAMPLES, SEED)
    bootstrap_s = time.perf_counter() - start
    figures = {
        "rows": float(ROWS),
        "rows_per_s": round(ROWS * len(variants) / scored_s, 1),
        "rewards_per_s": round(ROWS / rewards_s, 1),
        "bootstrap_samples": float(BOOTSTRAP_SAMPLES),
        "bootstrap_s": round(bootstrap_s, 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        **client_figures(variants["sft"][:REQUESTS]),
    }
    write_result("scoring", figures, packages=("aiohttp", "jsonschema-rs", "numpy", "pandas", "scipy"))


if __name__ == "__main__":
    main()
